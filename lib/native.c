/* SPDX-License-Identifier: MIT */
/*
 * native.c - is this Azalea? And its gates, if so.
 *
 * The unikernel's vDSO has a word by a name that Linux's has not.
 */
#include "native.h"

#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

#include "azalea/ipc.h"
#include "gate.h"

_Static_assert(AZALEA_GATE_CALL == AZ_GATE_CALL, "gate.h");
_Static_assert(AZALEA_GATE_REPLY_WAIT == AZ_GATE_REPLY, "gate.h");
_Static_assert(AZALEA_IPC_WORDS == AZ_IPC_WORDS, "gate.h");

int azalea_ipc_native;

/* The dynamic section of the object at base, NULL: none; *shift: its bias. */
static const Elf64_Dyn *dynamic_find(uintptr_t base, uintptr_t *shift)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(base + head->e_phoff);
	const Elf64_Phdr *dynamic = NULL;

	*shift = base;
	for (int i = 0; i < head->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && ph[i].p_offset == 0)
			*shift = base - ph[i].p_vaddr;
		else if (ph[i].p_type == PT_DYNAMIC)
			dynamic = &ph[i];
	}
	if (!dynamic)
		return NULL;
	return (const Elf64_Dyn *)(*shift + dynamic->p_vaddr);
}

/* Where the vDSO has a symbol of this name, or NULL. */
static const void *vdso_find(const char *name)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR), shift;
	const Elf64_Dyn *dyn = base ? dynamic_find(base, &shift) : NULL;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	const uint32_t *hash = NULL;

	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		uintptr_t at = shift + dyn->d_un.d_ptr;

		if (dyn->d_tag == DT_SYMTAB)
			sym = (const Elf64_Sym *)at;
		else if (dyn->d_tag == DT_STRTAB)
			str = (const char *)at;
		else if (dyn->d_tag == DT_HASH)
			hash = (const uint32_t *)at;
	}
	if (!sym || !str || !hash) /* Linux's need not have DT_HASH */
		return NULL;
	for (uint32_t i = 0; i < hash[1]; i++)
		if (!strcmp(str + sym[i].st_name, name))
			return (const void *)(shift + sym[i].st_value);
	return NULL;
}

/* Before constructors of the program's, which may use endpoints. */
__attribute__((constructor(101))) static void native_find(void)
{
	const uint32_t *version = vdso_find("__azalea_ipc");

	azalea_ipc_native = version && *version == AZ_GATE_VERSION;
}

int native_control(uint64_t op, int endpoint, struct azalea_msg *msg)
{
	struct azalea_msg none = { { 0 } };
	struct azalea_msg *m = msg ? msg : &none;
	uint64_t what = op << 32 | (uint32_t)endpoint;
	int result;

	AZALEA_GATE(AZ_GATE_CONTROL, what, m, result);
	return result;
}
