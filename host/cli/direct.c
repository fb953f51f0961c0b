/* SPDX-License-Identifier: MIT */
/*
 * direct.c - making the system calls of a static program direct.
 *
 * Symbols tell where functions begin and end, so every instruction is known
 * for what it is; how a call becomes a jump, and what its stub is, is decided
 * as for a running program (kernel/patch/plan.c). Stubs go into one more
 * segment, behind all others, that begins with a longer table of segments.
 *
 * The file may be hostile: sums are formed only of values already bounded.
 */
#include "cli/direct.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate.h"
#include "image_files.h"
#include "layout.h"
#include "lib/error.h"
#include "patch/insn.h"
#include "patch/plan.h"

#define ALIGN_UP(x, a) (((x) + (a)-1) & ~((uint64_t)(a)-1))
#define PHDRS_MAX      64
#define SIZE_MAX_FILE  (1ULL << 30)
#define ADDRESS_MAX    (1ULL << 40)

struct range {
	uint64_t start, end;
};

struct step {
	uint64_t at;
	struct insn insn;
};

struct rewrite {
	unsigned char *file;
	size_t size;
	Elf64_Ehdr eh;
	Elf64_Phdr ph[PHDRS_MAX + 1];
	uint64_t loaded; /* end in the file of what is loaded */
	uint64_t top;    /* end in memory */
	struct range *fn;
	size_t nfn;
	uint64_t *label; /* addresses that symbols name */
	size_t nlabels;
	/* The segment and the function that are looked at now. */
	unsigned char *text;
	uint64_t base, len;
	struct step *step;
	size_t nsteps;
	uint64_t *target; /* what branches and labels lead to */
	size_t ntargets;
	bool indirect; /* there may be more of them */
	unsigned char *stub;
	size_t nstubs, room;
	uint64_t stubs; /* address of the first */
	struct direct *out;
};

static bool in_file(const struct rewrite *w, uint64_t off, uint64_t len)
{
	return off <= w->size && len <= w->size - off;
}

/* --- what it is --- */

/* False: it is no program of the kind. */
static bool read_segments(struct rewrite *w)
{
	Elf64_Ehdr *eh = &w->eh;

	if (w->size < sizeof(*eh) || w->size > SIZE_MAX_FILE)
		return false;
	memcpy(eh, w->file, sizeof(*eh));
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh->e_type != ET_EXEC || eh->e_machine != EM_X86_64 ||
	    eh->e_phentsize != sizeof(w->ph[0]) || eh->e_phnum > PHDRS_MAX ||
	    !in_file(w, eh->e_phoff, eh->e_phnum * sizeof(w->ph[0])))
		return false;
	memcpy(w->ph, w->file + eh->e_phoff, eh->e_phnum * sizeof(w->ph[0]));
	for (int i = 0; i < eh->e_phnum; i++) {
		const Elf64_Phdr *ph = &w->ph[i];

		if (ph->p_type == PT_INTERP)
			return false;
		if (ph->p_type != PT_LOAD)
			continue;
		if (!in_file(w, ph->p_offset, ph->p_filesz) ||
		    ph->p_vaddr > ADDRESS_MAX || ph->p_memsz > ADDRESS_MAX ||
		    ph->p_memsz < ph->p_filesz)
			return false;
		if (ph->p_offset + ph->p_filesz > w->loaded)
			w->loaded = ph->p_offset + ph->p_filesz;
		if (ph->p_vaddr + ph->p_memsz > w->top)
			w->top = ph->p_vaddr + ph->p_memsz;
	}
	return w->loaded != 0;
}

/* The executable segment that holds the address, or NULL. */
static const Elf64_Phdr *segment_of(const struct rewrite *w, uint64_t at)
{
	for (int i = 0; i < w->eh.e_phnum; i++) {
		const Elf64_Phdr *ph = &w->ph[i];

		if (ph->p_type == PT_LOAD && ph->p_flags & PF_X &&
		    !(ph->p_flags & PF_W) && at >= ph->p_vaddr &&
		    at - ph->p_vaddr < ph->p_filesz)
			return ph;
	}
	return NULL;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	/* Of aliases, the one whose end is known. */
	return (x->end < y->end) - (x->end > y->end);
}

/* Functions of the symbols in one table; ends of 0 are not known yet. */
static int read_symbols(struct rewrite *w, const Elf64_Shdr *sh)
{
	size_t n = sh->sh_size / sizeof(Elf64_Sym);

	w->fn = calloc(n + 1, sizeof(*w->fn));
	w->label = calloc(n + 1, sizeof(*w->label));
	if (!w->fn || !w->label)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const Elf64_Phdr *ph;
		Elf64_Sym sym;
		uint64_t room;

		memcpy(&sym, w->file + sh->sh_offset + i * sizeof(sym),
		       sizeof(sym));
		ph = segment_of(w, sym.st_value);
		if (!ph || sym.st_shndx == SHN_UNDEF ||
		    ELF64_ST_TYPE(sym.st_info) == STT_SECTION)
			continue;
		w->label[w->nlabels++] = sym.st_value;
		if (ELF64_ST_TYPE(sym.st_info) != STT_FUNC)
			continue;
		room = ph->p_vaddr + ph->p_filesz - sym.st_value;
		w->fn[w->nfn].start = sym.st_value;
		w->fn[w->nfn++].end =
		    !sym.st_size
			? 0
			: sym.st_value +
			      (sym.st_size < room ? sym.st_size : room);
	}
	return 0;
}

static int read_functions(struct rewrite *w)
{
	Elf64_Shdr sh;
	int err = 0;

	for (int i = 0; i < w->eh.e_shnum && !w->fn && !err; i++) {
		uint64_t at = (uint64_t)i * sizeof(sh);

		if (w->eh.e_shentsize != sizeof(sh) ||
		    !in_file(w, w->eh.e_shoff, at + sizeof(sh)))
			return 0;
		memcpy(&sh, w->file + w->eh.e_shoff + at, sizeof(sh));
		if (sh.sh_type == SHT_SYMTAB &&
		    in_file(w, sh.sh_offset, sh.sh_size))
			err = read_symbols(w, &sh);
	}
	if (err || !w->fn)
		return err;
	qsort(w->fn, w->nfn, sizeof(*w->fn), compare_ranges);
	/* Up to the next one: assembly says no more. */
	for (size_t i = 0; i < w->nfn; i++) {
		const Elf64_Phdr *ph = segment_of(w, w->fn[i].start);

		if (!w->fn[i].end)
			w->fn[i].end =
			    i + 1 < w->nfn && w->fn[i + 1].start <
						  ph->p_vaddr + ph->p_filesz
				? w->fn[i + 1].start
				: ph->p_vaddr + ph->p_filesz;
	}
	return 0;
}

/* --- one call --- */

static unsigned char *stub_new(struct rewrite *w)
{
	unsigned char *bigger;

	if (w->nstubs == w->room) {
		w->room = w->room ? 2 * w->room : 128;
		bigger = reallocarray(w->stub, w->room, AZ_STUB_SIZE);
		if (!bigger)
			return NULL;
		w->stub = bigger;
	}
	bigger = w->stub + w->nstubs * AZ_STUB_SIZE;
	memset(bigger, 0xcc, AZ_STUB_SIZE);
	return bigger;
}

/* Does anything lead to an address in (lo, hi]? */
static bool entered(const struct rewrite *w, uint64_t lo, uint64_t hi)
{
	for (size_t k = 0; k < w->ntargets; k++)
		if (w->target[k] > lo && w->target[k] <= hi)
			return true;
	return false;
}

/* The instructions from first up to the call move; head of them are replaced */
static void plan_note(const struct rewrite *w, size_t first, size_t call,
		      size_t head, struct patch_plan *p)
{
	const struct step *s = &w->step[first];

	memset(p, 0, sizeof(*p));
	p->form = PATCH_MOVE;
	p->site = w->step[call].at;
	p->jump = s->at;
	p->moved = (uint8_t)(p->site - s->at);
	p->nmoved = (uint8_t)(call - first);
	p->jump_len = (uint8_t)(w->step[first + head].at - s->at);
	memcpy(p->code, w->text + (s->at - w->base), p->moved);
	for (size_t k = 0; k < p->nmoved; k++) {
		p->at[k] = (uint8_t)(s[k].at - s->at);
		p->len[k] = s[k].insn.len;
		p->rip_disp[k] = s[k].insn.rip_disp;
	}
}

/* It does not lead elsewhere, and was not replaced for another call. */
static bool may_move(const struct rewrite *w, const struct step *s)
{
	struct insn i;

	return (s->insn.kind == INSN_PLAIN || s->insn.kind == INSN_NOP) &&
	       !insn_decode(w->text + (s->at - w->base), s->insn.len, &i) &&
	       i.kind == s->insn.kind && i.len == s->insn.len;
}

/*
 * Move what is in front of the call, as little as can be. certain: nothing may
 * lead to the call but what moves; then the jump may replace several
 * instructions. Else it is one, and those ways still trap.
 */
static bool plan_moved(const struct rewrite *w, size_t call, bool certain,
		       struct patch_plan *p)
{
	uint64_t site = w->step[call].at;

	for (size_t n = 1; n <= PATCH_NMOVED && n <= call; n++) {
		const struct step *s = &w->step[call - n];
		size_t head = 0;
		uint64_t len = 0;

		if (!may_move(w, s) || site - s->at > PATCH_MOVED)
			return false;
		while (len < PATCH_JUMP && head < n)
			len += s[head++].insn.len;
		if (len < PATCH_JUMP || len > PATCH_LONGEST)
			continue;
		if (certain ? w->indirect && head > 1 : head > 1)
			continue;
		if (certain && entered(w, s->at, site))
			continue;
		plan_note(w, call - n, call, head, p);
		return true;
	}
	return false;
}

/* How to make the call direct, for all ways that lead to it if possible. */
static bool choose_plan(const struct rewrite *w, size_t call,
			struct patch_plan *p)
{
	struct patch_text t = { w->text, w->len, w->base };

	return plan_moved(w, call, true, p) ||
	       !patch_plan(&t, w->step[call].at, PATCH_PAD, p) ||
	       plan_moved(w, call, false, p);
}

/*
 * Unwinders know by its bytes what a signal handler returns to: mov $15,%rax
 * and a call.
 */
static bool is_restorer(const struct rewrite *w, size_t call)
{
	const unsigned char *p = w->text + (w->step[call].at - w->base);

	return call && w->step[call - 1].insn.len >= 5 && p[-4] == 15 &&
	       !p[-3] && !p[-2] && !p[-1];
}

static int rewrite_site(struct rewrite *w, size_t call)
{
	struct patch_stub s = { .at = w->stubs + w->nstubs * AZ_STUB_SIZE,
				.kind = PATCH_STUB_CALL,
				.hits = PATCH_NO_HITS,
				.entry = AZ_GATE_SYSCALL };
	unsigned char code[PATCH_STUB_MAX], jump[PATCH_LONGEST];
	struct az_stub_tail tail = { .site = w->step[call].at };
	struct patch_marks marks;
	struct patch_plan p;
	unsigned char *stub;

	w->out->sites++;
	if (is_restorer(w, call) || !choose_plan(w, call, &p) ||
	    patch_emit(&p, &s, code, &marks) || marks.len > AZ_STUB_TAIL ||
	    patch_jump(&p, s.at, jump))
		return 0;
	stub = stub_new(w);
	if (!stub)
		return -ENOMEM;
	tail.moved = p.moved;
	memcpy(stub, code, marks.len);
	memcpy(stub + AZ_STUB_TAIL, &tail, sizeof(tail));
	memcpy(w->text + (p.jump - w->base), jump, p.jump_len);
	if (p.form == PATCH_PAD)
		patch_hop(&p, w->text + (p.site - w->base));
	w->nstubs++;
	w->out->done++;
	return 0;
}

/* One more instruction, or an address that something leads to. */
static bool list_grow(void *list, size_t n, size_t size)
{
	void **p = list, *bigger;

	/* Room grows in powers of two. */
	if (n & (n - 1))
		return true;
	bigger = reallocarray(*p, n ? 2 * n : 1, size);
	if (!bigger)
		return false;
	*p = bigger;
	return true;
}

static bool target_add(struct rewrite *w, uint64_t at)
{
	if (!list_grow(&w->target, w->ntargets, sizeof(*w->target)))
		return false;
	w->target[w->ntargets++] = at;
	return true;
}

/* What the function's instructions are, as far as they are understood. */
static int read_function(struct rewrite *w, const struct range *fn)
{
	uint64_t at = fn->start;
	struct insn i;

	w->nsteps = w->ntargets = 0;
	w->indirect = false;
	while (at < fn->end &&
	       !insn_decode(w->text + (at - w->base), fn->end - at, &i)) {
		if (!list_grow(&w->step, w->nsteps, sizeof(*w->step)))
			return -ENOMEM;
		w->step[w->nsteps].at = at;
		w->step[w->nsteps++].insn = i;
		at += i.len;
		w->indirect |= i.kind == INSN_JMP_IND;
		if ((i.kind == INSN_JMP || i.kind == INSN_BRANCH ||
		     i.kind == INSN_CALL) &&
		    !target_add(w, at + (uint64_t)(int64_t)i.rel))
			return -ENOMEM;
	}
	/* What is not understood may lead anywhere. */
	w->indirect |= at < fn->end;
	for (size_t k = 0; k < w->nlabels; k++)
		if (w->label[k] > fn->start && w->label[k] < fn->end &&
		    !target_add(w, w->label[k]))
			return -ENOMEM;
	return 0;
}

static int rewrite_function(struct rewrite *w, const struct range *fn)
{
	const Elf64_Phdr *ph = segment_of(w, fn->start);
	int err;

	w->text = w->file + ph->p_offset;
	w->base = ph->p_vaddr;
	w->len = ph->p_filesz;
	err = read_function(w, fn);
	for (size_t k = 0; k < w->nsteps && !err; k++)
		if (w->step[k].insn.kind == INSN_SYSCALL)
			err = rewrite_site(w, k);
	return err;
}

/* --- the new program --- */

/* The segment of the stubs: a table of segments, then they. */
static int assemble(struct rewrite *w, uint64_t head)
{
	uint64_t at = ALIGN_UP(w->loaded, AZ_PAGE_SIZE);
	uint64_t len = head + w->nstubs * AZ_STUB_SIZE;
	uint64_t base = w->stubs - head;
	unsigned char *bytes = calloc(1, at + len);
	Elf64_Ehdr *eh = &w->eh;

	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, w->file, w->loaded);
	w->ph[eh->e_phnum++] = (Elf64_Phdr){ .p_type = PT_LOAD,
					     .p_flags = PF_R | PF_X,
					     .p_offset = at,
					     .p_vaddr = base,
					     .p_paddr = base,
					     .p_filesz = len,
					     .p_memsz = len,
					     .p_align = AZ_PAGE_SIZE };
	for (int i = 0; i < eh->e_phnum; i++)
		if (w->ph[i].p_type == PT_PHDR) {
			w->ph[i].p_offset = at;
			w->ph[i].p_vaddr = w->ph[i].p_paddr = base;
			w->ph[i].p_filesz = w->ph[i].p_memsz =
			    eh->e_phnum * sizeof(w->ph[0]);
		}
	eh->e_phoff = at;
	eh->e_shoff = 0;
	eh->e_shnum = eh->e_shstrndx = 0;
	memcpy(bytes, eh, sizeof(*eh));
	memcpy(bytes + at, w->ph, eh->e_phnum * sizeof(w->ph[0]));
	memcpy(bytes + at + head, w->stub, w->nstubs * AZ_STUB_SIZE);
	w->out->bytes = bytes;
	w->out->size = at + len;
	w->out->stubs = w->stubs;
	w->out->stubs_end = w->stubs + w->nstubs * AZ_STUB_SIZE;
	return 0;
}

int direct_rewrite(void *program, size_t size, struct direct *out)
{
	struct rewrite w = { .file = program, .size = size, .out = out };
	uint64_t head, done = 0;
	int err;

	memset(out, 0, sizeof(*out));
	if (!read_segments(&w))
		return 0;
	head = ALIGN_UP((w.eh.e_phnum + 1UL) * sizeof(w.ph[0]), AZ_STUB_SIZE);
	w.stubs = ALIGN_UP(w.top, AZ_PAGE_SIZE) + head;
	err = read_functions(&w);
	for (size_t i = 0; i < w.nfn && !err; i++) {
		/* What lies in another one has been seen. */
		if (w.fn[i].start < done)
			continue;
		err = rewrite_function(&w, &w.fn[i]);
		done = w.fn[i].end;
	}
	if (!err && w.nstubs)
		err = assemble(&w, head);
	free(w.fn);
	free(w.label);
	free(w.step);
	free(w.target);
	free(w.stub);
	return err;
}

/* All of the file, 8-aligned. */
static void *read_file(const char *source, size_t *size)
{
	int fd = open(source, O_RDONLY | O_CLOEXEC);
	char *bytes = NULL;
	struct stat st;
	ssize_t n = 1;

	if (fd < 0 || fstat(fd, &st) < 0)
		goto out_close;
	bytes = malloc((size_t)st.st_size + 1);
	for (*size = 0; bytes && *size < (size_t)st.st_size && n > 0;
	     *size += n > 0 ? (size_t)n : 0)
		n = read(fd, bytes + *size, (size_t)st.st_size - *size);
	if (n < 0) {
		free(bytes);
		bytes = NULL;
	}
out_close:
	if (fd >= 0)
		close(fd);
	return bytes;
}

int direct_make(const char *source, struct direct *out)
{
	size_t size;
	void *bytes = read_file(source, &size);
	int err = bytes ? direct_rewrite(bytes, size, out) : -errno;

	free(bytes);
	return err ? error_fail(EXIT_AZALEA, "%s: cannot read it: %s", source,
				error_text(err))
		   : 0;
}
