/* SPDX-License-Identifier: MIT */
/*
 * load.h - getting azalea.ko into Linux.
 */
#ifndef CORES_LOAD_H
#define CORES_LOAD_H

/*
 * load_module - the one in module/ beside this program, for a tree that was
 * built, else what modprobe finds. 0 after saying what was loaded, or the
 * exit status after saying why there is none.
 */
int load_module(void);

#endif
