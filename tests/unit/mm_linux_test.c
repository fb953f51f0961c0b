/* SPDX-License-Identifier: MIT */
/*
 * mm_linux_test.c - the unikernel's memory calls beside Linux's own.
 *
 * The same random calls are made twice: through kernel/mm in a stretch of the
 * program's range, and natively in a stretch elsewhere in this process.
 * Results, mappings (tree, host below it, and native), and contents must be
 * the same after each.
 */
/* links: kernel/mm/vma.c kernel/mm/kalloc.c kernel/mm/mm.c kernel/mm/mmap.c */
/* links: kernel/mm/place.c kernel/mm/pool.c kernel/mm/loose.c kernel/mm/protect.c */
/* links: kernel/mm/remap.c kernel/mm/brk.c kernel/mm/advise.c */
/* links: kernel/mm/mlock.c */
/* cflags: -DAZ_KERNEL */
#include "mm_world.h"

#include <fcntl.h>

#define NPAGES 48
#define SIZE   (NPAGES * AZ_PAGE_SIZE)
#define OURS   0x250000000000ULL
/* Between our own ranges and where Linux puts libraries. */
#define NATIVE 0x680000000000ULL
#define ROUNDS 800

static int files[3]; /* read-write, read-only, write-only */
static uint32_t step;
static bool merged; /* vma for vma: only anonymous, never touched memory */

static uint32_t below(uint32_t n)
{
	return (uint32_t)random() % n;
}

/* --- one call, twice --- */

struct call {
	const char *name;
	uint32_t nr;
	long (*fn)(const uint64_t a[6]);
	uint64_t a[6];
	uint32_t addr_args; /* bit i: a[i] is an offset into the stretch */
};

static void run_both(const struct call *c, long *ours, long *native)
{
	uint64_t a[6], b[6];

	for (int i = 0; i < 6; i++) {
		bool addr = c->addr_args >> i & 1;

		a[i] = c->a[i] + (addr ? OURS : 0);
		b[i] = c->a[i] + (addr ? NATIVE : 0);
	}
	*ours = c->fn(a);
	*native = syscall(c->nr, b[0], b[1], b[2], b[3], b[4], b[5]);
	if (*native < 0)
		*native = -errno;
	if (*ours > 0)
		*ours -= (long)OURS;
	if (*native > 0)
		*native -= (long)NATIVE;
}

/* --- the three views --- */

struct page {
	bool mapped;
	uint32_t flags;
	uint64_t offset;
	bool file;
};

#define SEEN (VMA_READ | VMA_WRITE | VMA_EXEC | VMA_SHARED)

static int view_host(uint64_t base, struct page *pages)
{
	struct host_vma v[2 * NPAGES];
	int n = host_maps(base, base + SIZE, v, 2 * NPAGES);

	memset(pages, 0, NPAGES * sizeof(*pages));
	for (int i = 0; i < n; i++)
		for (uint64_t at = MAX(v[i].start, base);
		     at < MIN(v[i].end, base + SIZE); at += AZ_PAGE_SIZE)
			pages[(at - base) / AZ_PAGE_SIZE] = (struct page){
				true, v[i].flags,
				v[i].inode ? v[i].offset + at - v[i].start : 0,
				v[i].inode && !(v[i].flags & VMA_SHARED)
			};
	return n;
}

static int view_tree(struct page *pages)
{
	int n = 0;

	memset(pages, 0, NPAGES * sizeof(*pages));
	for (const struct vma *v = vma_find(&mm.set, OURS);
	     v && v->start < OURS + SIZE; v = v->next, n++)
		for (uint64_t at = v->start; at < v->end; at += AZ_PAGE_SIZE)
			pages[(at - OURS) / AZ_PAGE_SIZE] = (struct page){
				true, v->flags & SEEN,
				v->object ? v->offset + at - v->start : 0,
				v->flags & VMA_FILE && !(v->flags & VMA_SHARED)
			};
	return n;
}

static bool same_view(const struct page *a, const struct page *b,
		      const char *what)
{
	for (int i = 0; i < NPAGES; i++) {
		if (a[i].mapped == b[i].mapped && a[i].flags == b[i].flags &&
		    a[i].offset == b[i].offset && a[i].file == b[i].file)
			continue;
		printf("# step %u, page %d: %s: %d/%#x/%#lx %d/%#x/%#lx\n",
		       step, i, what, a[i].mapped, a[i].flags, a[i].offset,
		       b[i].mapped, b[i].flags, b[i].offset);
		return false;
	}
	return true;
}

/* Reads through the kernel: nothing here dies of a hole or PROT_NONE. */
static bool same_contents(const struct page *pages)
{
	static unsigned char a[AZ_PAGE_SIZE], b[AZ_PAGE_SIZE];
	int mem = open("/proc/self/mem", O_RDONLY);
	bool same = true;

	for (uint64_t i = 0; i < NPAGES; i++) {
		uint64_t off = i * AZ_PAGE_SIZE;
		ssize_t n, m;

		if (!pages[i].mapped || !(pages[i].flags & VMA_READ))
			continue;
		n = pread(mem, a, 64, (off_t)(OURS + off));
		m = pread(mem, b, 64, (off_t)(NATIVE + off));
		if (n != m || (n > 0 && memcmp(a, b, (size_t)n))) {
			printf("# step %u, page %lu: contents\n", step, i);
			same = false;
		}
	}
	close(mem);
	return same;
}

static bool same_world(void)
{
	struct page tree[NPAGES], host[NPAGES], native[NPAGES];
	int vmas = view_tree(tree), n;

	view_host(OURS, host);
	n = view_host(NATIVE, native);
	vma_check(&mm.set);
	if (merged && vmas != n) {
		printf("# step %u: %d vmas, native %d\n", step, vmas, n);
		return false;
	}
	return same_view(tree, host, "tree, host") &&
	       same_view(tree, native, "tree, native") && same_contents(native);
}

/* Leave a mark in each page that may be written; both sides alike. */
static void write_marks(void)
{
	struct page pages[NPAGES];
	uint64_t i = below(NPAGES);

	view_tree(pages);
	for (uint64_t end = MIN(i + 6, (uint64_t)NPAGES); i < end; i++) {
		uint64_t off = i * AZ_PAGE_SIZE;

		/* A file's pages beyond its end are SIGBUS. */
		if (!pages[i].mapped || !(pages[i].flags & VMA_WRITE) ||
		    pages[i].offset >= SIZE || pages[i].flags & VMA_SHARED)
			continue;
		*(volatile uint32_t *)(OURS + off) = step;
		*(volatile uint32_t *)(NATIVE + off) = step;
	}
}

/* --- random calls --- */

static uint64_t some_offset(void)
{
	return below(NPAGES) * AZ_PAGE_SIZE;
}

static uint64_t some_len(uint64_t off)
{
	uint64_t max = MIN((SIZE - off) / AZ_PAGE_SIZE, 16UL);
	uint64_t len = (1 + below((uint32_t)max)) * AZ_PAGE_SIZE;

	switch (below(24)) {
	case 0:
		return 0;
	case 1:
		return len - 1;
	case 2:
		return len - AZ_PAGE_SIZE + 1;
	default:
		return len;
	}
}

static uint64_t some_prot(void)
{
	static const int prots[] = { PROT_NONE,
				     PROT_READ,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_EXEC,
				     PROT_WRITE };

	return (uint64_t)prots[below(ARRAY_SIZE(prots))];
}

static void make_mmap(struct call *c)
{
	static const int types[] = { MAP_PRIVATE, MAP_PRIVATE,
				     MAP_SHARED,  MAP_SHARED_VALIDATE,
				     0,           5 };
	uint32_t kinds = merged ? 2 : ARRAY_SIZE(types);
	bool file = !merged && below(2);
	int flags = types[below(kinds)];

	flags |= below(4) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	flags |= file ? 0 : MAP_ANONYMOUS;
	if (below(8) == 0)
		flags |= MAP_NORESERVE;
	if (below(30) == 0)
		flags |= MAP_GROWSDOWN;
	if (!merged && below(8) == 0)
		flags |= MAP_POPULATE;
	*c = (struct call){ "mmap", SYS_mmap, sys_mmap, { 0 }, 1 };
	c->a[0] = some_offset();
	c->a[1] = some_len(c->a[0]);
	c->a[2] = some_prot();
	c->a[3] = (uint64_t)flags;
	c->a[4] = file ? (uint64_t)files[below(3)] : (uint64_t)-1;
	c->a[5] = file ? below(20) * AZ_PAGE_SIZE : 0;
	if (below(40) == 0)
		c->a[4] = 999;
	if (below(40) == 0)
		c->a[5] += 512;
	if (below(40) == 0)
		c->a[0] += 8;
	/*
	 * Linux leaves a gap before a stack for mappings without an address
	 * only; and its own growing is not asked for here.
	 */
}

static void make_range(struct call *c, const char *name, uint32_t nr,
		       long (*fn)(const uint64_t[6]))
{
	*c = (struct call){ name, nr, fn, { 0 }, 1 };
	c->a[0] = some_offset();
	c->a[1] = some_len(c->a[0]);
	if (below(40) == 0)
		c->a[0] += 8;
	if (below(60) == 0)
		c->a[1] = UINT64_MAX - below(2) * AZ_PAGE_SIZE;
}

static void make_mprotect(struct call *c)
{
	make_range(c, "mprotect", SYS_mprotect, sys_mprotect);
	c->a[2] = some_prot();
	if (below(30) == 0)
		c->a[2] |= 0x20;
	if (below(30) == 0)
		c->a[2] |= PROT_GROWSDOWN;
	if (below(60) == 0)
		c->a[2] |= PROT_GROWSUP;
}

static void make_madvise(struct call *c)
{
	static const int advices[] = {
		MADV_DONTNEED,       MADV_DONTNEED,   MADV_NORMAL,
		MADV_RANDOM,         MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_DONTFORK,       MADV_DOFORK,     MADV_DONTDUMP,
		MADV_WIPEONFORK,     MADV_KEEPONFORK, MADV_POPULATE_READ,
		MADV_POPULATE_WRITE, MADV_COLD,       77,
	};
	make_range(c, "madvise", SYS_madvise, sys_madvise);
	c->a[2] = (uint64_t)advices[below(ARRAY_SIZE(advices))];
}

static void make_msync(struct call *c)
{
	static const int flags[] = {
		MS_ASYNC,           MS_SYNC, MS_INVALIDATE,
		MS_SYNC | MS_ASYNC, 64,      MS_SYNC | MS_INVALIDATE
	};

	make_range(c, "msync", SYS_msync, sys_msync);
	c->a[2] = (uint64_t)flags[below(ARRAY_SIZE(flags))];
}

static void make_mremap(struct call *c)
{
	*c = (struct call){ "mremap", SYS_mremap, sys_mremap, { 0 }, 17 };
	c->a[0] = some_offset();
	c->a[1] = some_len(c->a[0]);
	c->a[4] = some_offset();
	c->a[2] = below(3) ? c->a[1] : some_len(c->a[4]);
	/* Where it goes must be the same on both sides. */
	c->a[3] = MREMAP_MAYMOVE | MREMAP_FIXED;
	switch (below(12)) {
	case 0:
	case 1:
	case 2:
		c->a[3] = 0; /* grow and shrink in place */
		break;
	case 3:
		c->a[3] = MREMAP_FIXED;
		break;
	case 4:
		c->a[3] |= 8;
		break;
	case 5:
	case 6:
		c->a[3] |= MREMAP_DONTUNMAP;
		break;
	}
	if (!(c->a[3] & MREMAP_FIXED) && c->a[0] + c->a[2] > SIZE)
		c->a[2] = c->a[1];
	if ((c->a[3] & MREMAP_FIXED) && c->a[4] + c->a[2] > SIZE)
		c->a[2] = c->a[1] = AZ_PAGE_SIZE;
}

static void make_call(struct call *c)
{
	switch (below(merged ? 12 : 18)) {
	case 0:
	case 1:
	case 2:
	case 3:
		make_mmap(c);
		break;
	case 4:
	case 5:
		make_range(c, "munmap", SYS_munmap, sys_munmap);
		break;
	case 6:
	case 7:
	case 8:
		make_mprotect(c);
		break;
	case 9:
		make_range(c, "mlock", SYS_mlock, sys_mlock);
		if (merged) /* it would fill the pages */
			make_range(c, "munlock", SYS_munlock, sys_munlock);
		break;
	case 10:
		make_range(c, "munlock", SYS_munlock, sys_munlock);
		break;
	case 11:
		make_msync(c);
		break;
	case 12:
	case 13:
	case 14:
		make_madvise(c);
		break;
	default:
		make_mremap(c);
	}
	if (c->nr == SYS_munmap && c->a[1] > SIZE)
		c->a[1] = SIZE; /* the test lives beyond */
	if (c->nr == SYS_madvise && c->a[1] > SIZE)
		c->a[1] = UINT64_MAX - 100;
}

/*
 * Since 6.17 Linux moves several vmas at once, if neither grows; and what two
 * vmas are depends on what was touched when. Those calls are left out.
 */
static bool comparable(const struct call *c)
{
	uint64_t start = OURS + (c->a[0] & ~PAGE_MASK);
	const struct vma *v;

	if (c->nr != SYS_mremap)
		return true;
	v = vma_find(&mm.set, start);
	return !v || v->start > start || v->end - start >= page_up(c->a[1]);
}

static void describe(const struct call *c, long ours, long native)
{
	printf("# step %u: %s(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx) = %ld, "
	       "Linux %ld\n",
	       step, c->name, c->a[0], c->a[1], c->a[2], c->a[3], c->a[4],
	       c->a[5], ours, native);
}

static void test_random(uint32_t rounds, const char *name)
{
	bool results = true, worlds = true;
	bool verbose = getenv("VERBOSE") != NULL;

	for (step = 1; step <= rounds && results && worlds; step++) {
		struct call c;
		long ours, native;

		make_call(&c);
		if (!comparable(&c))
			continue;
		run_both(&c, &ours, &native);
		results = ours == native;
		if (!results || verbose)
			describe(&c, ours, native);
		worlds = same_world();
		if (!worlds)
			describe(&c, ours, native);
		if (!merged)
			write_marks();
	}
	ok(results, "%s: results are Linux's", name);
	ok(worlds, "%s: mappings and contents are Linux's", name);
	world_clear();
	munmap((void *)NATIVE, SIZE);
}

static int make_file(int flags)
{
	char name[] = "/tmp/mm_linux_test.XXXXXX";
	int fd = mkstemp(name), fd2;

	if (fd < 0 || ftruncate(fd, SIZE) < 0)
		exit(1);
	for (uint32_t i = 0; i < NPAGES; i++)
		if (pwrite(fd, &i, sizeof(i), i * (off_t)AZ_PAGE_SIZE) < 0)
			exit(1);
	fd2 = open(name, flags);
	unlink(name);
	close(fd);
	return fd2;
}

int main(void)
{
	uint32_t rounds = ROUNDS;
	unsigned int seed =
	    getenv("SEED") ? (unsigned int)atoi(getenv("SEED")) : 1;

	srandom(seed);
	if (getenv("ROUNDS"))
		rounds = (uint32_t)atoi(getenv("ROUNDS"));
	world_init(1, 1ULL << 40);
	files[0] = make_file(O_RDWR);
	files[1] = make_file(O_RDONLY);
	files[2] = make_file(O_WRONLY);
	merged = true;
	test_random(rounds, "anonymous");
	merged = false;
	test_random(rounds, "all kinds");
	return done();
}
