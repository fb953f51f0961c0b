/* SPDX-License-Identifier: MIT */
/*
 * idle.c - say "ready" and do nothing until a signal comes.
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
