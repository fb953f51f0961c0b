/* SPDX-License-Identifier: MIT */
/*
 * guestmem.c - copying from and to program memory that may not be there.
 *
 * The program may unmap or protect its memory at any time, so the owner does
 * not touch it: Linux copies it to or from a memfd that only the owner has
 * mapped, and reports -EFAULT, by the protection that the program set.
 * process_vm_readv could do it too, but the sandbox would have to allow it.
 *
 * Each thread takes a slot of the memfd for ever; slots are not shared, so
 * there is no lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "offload/check_private.h"

#define SLOT_SIZE 0x10000UL
#define SLOT_MAX  4096U /* more threads than an owner ever has */

static int mem_fd = -1;
static uint8_t *mem_map;
static uint32_t mem_slots;      /* taken */
static uint32_t mem_generation; /* of check_init, for a fork's child */

static _Thread_local uint8_t *slot;
static _Thread_local uint32_t slot_generation;

int guestmem_init(uint32_t fd_lo)
{
	int fd = memfd_create("azalea-copy", MFD_CLOEXEC);
	void *map;

	if (fd < 0)
		return -errno;
	mem_fd = fcntl(fd, F_DUPFD_CLOEXEC, (int)fd_lo);
	close(fd);
	if (mem_fd < 0)
		return -errno;
	if (ftruncate(mem_fd, (off_t)(SLOT_SIZE * SLOT_MAX)) < 0)
		goto out_close;
	map = mmap(NULL, SLOT_SIZE * SLOT_MAX, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_NORESERVE, mem_fd, 0);
	if (map == MAP_FAILED)
		goto out_close;
	mem_map = map;
	mem_slots = 0;
	mem_generation++;
	return 0;

out_close:
	close(mem_fd);
	mem_fd = -1;
	return -errno;
}

static int slot_take(void)
{
	uint32_t i;

	if (slot && slot_generation == mem_generation)
		return 0;
	if (mem_fd < 0)
		return -ENOMEM;
	i = __atomic_fetch_add(&mem_slots, 1, __ATOMIC_RELAXED);
	if (i >= SLOT_MAX)
		return -ENOMEM;
	slot = mem_map + i * SLOT_SIZE;
	slot_generation = mem_generation;
	return 0;
}

int guestmem_read(void *dst, uint64_t src, size_t n)
{
	int err = slot_take();

	for (size_t done = 0; !err && done < n;) {
		size_t part = n - done < SLOT_SIZE ? n - done : SLOT_SIZE;
		ssize_t r = pwrite(mem_fd, (const void *)(src + done), part,
				   slot - mem_map);

		if (r != (ssize_t)part)
			return -EFAULT;
		memcpy((char *)dst + done, slot, part);
		done += part;
	}
	return err;
}

int guestmem_write(uint64_t dst, const void *src, size_t n)
{
	int err = slot_take();

	for (size_t done = 0; !err && done < n;) {
		size_t part = n - done < SLOT_SIZE ? n - done : SLOT_SIZE;
		ssize_t r;

		memcpy(slot, (const char *)src + done, part);
		r = pread(mem_fd, (void *)(dst + done), part, slot - mem_map);
		if (r != (ssize_t)part)
			return -EFAULT;
		done += part;
	}
	return err;
}
