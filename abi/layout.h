/* SPDX-License-Identifier: MIT */
/*
 * layout.h - the address space that an instance and its owner share.
 *
 * One virtual address means the same bytes on both sides. Everything below
 * AZ_GUEST_END is the program's; the unikernel lives between AZ_GUEST_END and
 * AZ_OWNER_BASE; the owner's own code, heap and stacks are above.
 */
#ifndef AZ_LAYOUT_H
#define AZ_LAYOUT_H

#define AZ_PAGE_SHIFT 12
#define AZ_PAGE_SIZE  0x1000ULL
#define AZ_CHUNK_SIZE 0x200000ULL /* a pool's unit: one x86-64 big page */

/* Lowest address that the program may map (Linux: vm.mmap_min_addr). */
#define AZ_GUEST_MIN 0x0000000000010000ULL
/*
 * The window. Its first 64 GiB stay free: AddressSanitizer's shadow ends at
 * 0x1000_7fff_8000.
 */
#define AZ_WINDOW_BASE  0x0000101000000000ULL
#define AZ_WINDOW_END   0x0000200000000000ULL
#define AZ_RESERVE_BASE 0x0000200000000000ULL
#define AZ_RESERVE_END  0x0000400000000000ULL
#define AZ_SHARED_BASE  0x0000400000000000ULL
#define AZ_SHARED_END   0x00004e0000000000ULL
/* One past the last address that the program may name. */
#define AZ_GUEST_END 0x00004f0000000000ULL

#define AZ_IMAGE_BASE  0x00004f0000000000ULL /* azalea.elf */
#define AZ_BOOT_BASE   0x00004f0080000000ULL /* struct az_boot + strings */
#define AZ_STATS_BASE  0x00004f00a0000000ULL /* struct az_stats */
#define AZ_CORE_BASE   0x00004f0100000000ULL /* struct core, one stride each */
#define AZ_CORE_STRIDE 0x40000ULL
#define AZ_RING_BASE   0x00004f0200000000ULL /* struct az_ring, one each */
#define AZ_RING_STRIDE 0x20000ULL
#define AZ_BUNDLE_BASE 0x00004f0300000000ULL /* a single-file image */
#define AZ_BUNDLE_SIZE 0x0000000c00000000ULL /* largest that there can be */
#define AZ_HEAP_BASE   0x00004f1000000000ULL /* the unikernel's own heap */
#define AZ_HEAP_SIZE   0x0000000400000000ULL /* reserved, committed on touch */
#define AZ_OWNER_BASE  0x0000500000000000ULL

#define AZ_MAX_CORES 1024

#endif
