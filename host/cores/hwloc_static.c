/* SPDX-License-Identifier: MIT */
/*
 * hwloc_static.c - what hwloc asks for and a static program has not.
 *
 * hwloc loads plugins by dlopen: those of a machine would bring another libc
 * into this process. It asks udev for the names of disks, which nobody here
 * wants to know, and Debian has no static libudev. Both are told that there
 * is nothing, which hwloc expects of machines that have neither.
 */
#include <stddef.h>

struct udev;
struct udev_device;

struct udev *udev_new(void);
struct udev *udev_unref(struct udev *u);
struct udev_device *udev_device_new_from_subsystem_sysname(
    struct udev *u, const char *subsystem, const char *name);
struct udev_device *udev_device_unref(struct udev_device *d);
const char *udev_device_get_property_value(struct udev_device *d,
					   const char *key);

/* Linked with --wrap=dlopen: this is what a call of dlopen comes to. */
void *no_plugin(const char *file, int mode) __asm__("__wrap_dlopen");

struct udev *udev_new(void)
{
	return NULL;
}

struct udev *udev_unref(struct udev *u)
{
	(void)u;
	return NULL;
}

struct udev_device *udev_device_new_from_subsystem_sysname(
    struct udev *u, const char *subsystem, const char *name)
{
	(void)u;
	(void)subsystem;
	(void)name;
	return NULL;
}

struct udev_device *udev_device_unref(struct udev_device *d)
{
	(void)d;
	return NULL;
}

const char *udev_device_get_property_value(struct udev_device *d,
					   const char *key)
{
	(void)d;
	(void)key;
	return NULL;
}

void *no_plugin(const char *file, int mode)
{
	(void)file;
	(void)mode;
	return NULL;
}
