/* SPDX-License-Identifier: MIT */
/*
 * hello.c - the smallest program that does something.
 */
#include <stdio.h>

int main(void)
{
	puts("hello");
	return 0;
}
