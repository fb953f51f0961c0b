/* SPDX-License-Identifier: MIT */
/*
 * qemu_count.c - a plugin of QEMU that counts what each CPU executes.
 *
 * TCG executes blocks of instructions; each block adds its length to the
 * counters of the CPU that enters it. The counters lie in a file that the
 * machine has as the memory of a PCI device (ivshmem-plain), so a program in
 * the machine reads them as it would read a performance counter: a clock that
 * stands still while something else runs on another CPU, or nothing on this
 * one. See bench/counter.h for the layout.
 *
 * A block that a fault leaves early has been counted whole. Interrupts come
 * between blocks.
 *
 *	qemu-system-x86_64 -plugin qemu_count.so,counters=FILE ...
 *
 * Sources: QEMU's docs/devel/tcg-plugins.rst, version 1 of the interface. The
 * declarations below are all of it that is used here; Debian has no header.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../bench/counter.h"

/* --- QEMU's side --- */

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

#define CB_NO_REGS 0 /* enum qemu_plugin_cb_flags */

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(
    uint64_t id, void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  void (*cb)(unsigned int vcpu,
						     void *data),
					  int flags, void *data);

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info *info,
			       int argc, char **argv);

/* --- ours --- */

static struct counter *counters;

static unsigned int who(uint64_t addr)
{
	if (addr >= 0xffffff0000000000 && addr < 0xffffff8000000000)
		return COUNTER_STUB;
	if (addr >> 63)
		return COUNTER_LINUX;
	if (addr >= 0x4f0000000000 && addr < 0x500000000000)
		return COUNTER_UNIKERNEL;
	return COUNTER_USER;
}

/* Only this CPU's thread writes its counters. */
static void block_run(unsigned int vcpu, void *data)
{
	struct counter *c = &counters[vcpu % COUNTER_CPUS];
	uint64_t n = (uint64_t)(uintptr_t)data >> 8;

	c->part[(uintptr_t)data & 0xff] += n;
	__atomic_store_n(&c->all, c->all + n, __ATOMIC_RELAXED);
}

static void block_made(uint64_t id, struct qemu_plugin_tb *tb)
{
	uintptr_t data =
	    qemu_plugin_tb_n_insns(tb) << 8 | who(qemu_plugin_tb_vaddr(tb));

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, block_run, CB_NO_REGS,
					     (void *)data);
}

int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc,
			char **argv)
{
	int fd;

	(void)info;
	if (argc != 1 || strncmp(argv[0], "counters=", 9) != 0) {
		(void)fprintf(stderr, "qemu_count: counters=FILE is missing\n");
		return -1;
	}
	fd = open(argv[0] + 9, O_RDWR | O_CLOEXEC);
	counters = fd < 0 ? MAP_FAILED
			  : mmap(NULL, COUNTER_SIZE, PROT_READ | PROT_WRITE,
				 MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (counters == MAP_FAILED) {
		perror(argv[0] + 9);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_made);
	return 0;
}
