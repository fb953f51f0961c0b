/* SPDX-License-Identifier: MIT */
/*
 * text.c - writing program text while other cores may run it.
 *
 * Other cores see code bytes change in any order, and may have fetched some
 * already (Intel SDM 3 §8.1.3). So, as Linux does it (text_poke_bp): int3 over
 * the first byte; every core serialized; the rest; every core serialized; the
 * first byte. Who runs into the int3 tries again (patch_int3). With one core
 * none of this is needed: it is here, not there, and its way back to the
 * program (iretq) serializes.
 *
 * One writer at a time: the lock of mm.
 */
#include "patch/text.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#include "core.h"
#include "lib/errno.h"
#include "lib/user.h"
#include "mm/mm.h"
#include "monitor.h"
#include "sys/sys.h"

#define INT3    0xcc
#define HISTORY 64U

/* Where int3 has been of late; written under the lock, read without. */
static uint64_t history[HISTORY];
static uint32_t nhistory;

static bool alone(void)
{
	/* Cores are asked for by others that run, so by nobody now. */
	return __atomic_load_n(&BOOT->want_cores, __ATOMIC_SEQ_CST) <= 1;
}

/*
 * The other way to write program text, for giving it back where the host has
 * stopped letting us write (the child of a process that had dropped its
 * privileges cannot open /proc/self/mem): not executable for a moment. Another
 * core that is there faults, finds that the tree allows it (mm_fault, which
 * waits for the lock of mm), and tries again.
 */
static int poke(uint64_t addr, const uint8_t *bytes, size_t n)
{
	uint64_t page = ALIGN_DOWN(addr, AZ_PAGE_SIZE);
	uint64_t end = ALIGN_UP(addr + n, AZ_PAGE_SIZE);
	struct vma_info v;
	int err = mon_patch(addr, bytes, n);

	if (!err || !mm_find_locked(addr, &v) || v.start > page || v.end < end)
		return err;
	err = (int)host_call(__NR_mprotect, page, end - page,
			     PROT_READ | PROT_WRITE, 0, 0, 0);
	if (err)
		return err;
	err = copy_to_user(addr, bytes, n);
	AZ_ASSERT(!host_call(__NR_mprotect, page, end - page,
			     v.flags & (VMA_READ | VMA_WRITE | VMA_EXEC), 0, 0,
			     0));
	return err;
}

int text_quiet(uint64_t addr, const uint8_t *bytes, size_t n)
{
	return mon_patch(addr, bytes, n);
}

bool text_was_written(uint64_t addr)
{
	for (uint32_t i = 0; i < HISTORY; i++)
		if (__atomic_load_n(&history[i], __ATOMIC_RELAXED) == addr)
			return true;
	return false;
}

int text_write(uint64_t addr, const uint8_t *old, const uint8_t *bytes,
	       size_t n)
{
	const uint8_t int3 = INT3;
	int err;

	if (alone())
		return poke(addr, bytes, n);
	/* What can fail fails here, where nothing has changed: the pages
	 * become private, and cores can be serialized. */
	err = poke(addr, old, n);
	if (!err)
		err = mon_sync_cores();
	if (err)
		return err;
	__atomic_store_n(&history[nhistory++ % HISTORY], addr,
			 __ATOMIC_SEQ_CST);
	AZ_ASSERT(!poke(addr, &int3, 1));
	AZ_ASSERT(!mon_sync_cores());
	AZ_ASSERT(!poke(addr + 1, bytes + 1, n - 1));
	AZ_ASSERT(!mon_sync_cores());
	AZ_ASSERT(!poke(addr, bytes, 1));
	AZ_ASSERT(!mon_sync_cores());
	return 0;
}

/*
 * A processor sees what others have written. An emulator may go on with what
 * it decoded between two writes: QEMU's TCG, when one CPU translates a page's
 * first code while another writes there (tb_link_page protects it only then).
 * Another write makes it look.
 */
void text_look_again(uint64_t addr)
{
	uint8_t byte;

	mm_lock();
	if (!copy_from_user(&byte, addr, 1) && byte != INT3)
		(void)poke(addr, &byte, 1);
	mm_unlock();
}

void text_leave(void)
{
	if (alone())
		return;
	/*
	 * A kick is pending before the interrupt that serializes, so it is
	 * taken at its end; a core that is kicked already is in the unikernel
	 * or about to be.
	 */
	for (uint32_t i = 0; i < BOOT->ncores; i++)
		if (i != core_self()->az.index && core_at(i)->az.started)
			mon_kick(i);
	mon_sync_cores();
}
