/* SPDX-License-Identifier: MIT */
/*
 * pool.c - small anonymous mappings; see pool.h for what a slab is.
 *
 * Memory that is given back stays mapped on the host and is cleared when it is
 * handed out again: a host call costs more than clearing 64 KiB. So an access
 * after munmap may go unnoticed. That is allowed only where it matters, when
 * calls to munmap come in quick succession, and never in a program that would
 * notice: see pool_exact. A core keeps at most POOL_SLABS slabs to cut from,
 * and only those keep free pages: that bounds what stays resident.
 *
 * A slab is cut by its owner only, but anyone may free in it. Host calls that
 * change a slab's pages are made with its lock held.
 */
#include "mm/pool.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#include "lib/bits.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "lib/user.h"
#include "mm/space.h"
#include "sys/sys.h"

#define NCHUNKS ((POOL_END - WINDOW_POOL) / AZ_CHUNK_SIZE)
/*
 * Slabs that are open before new ones get big pages: a program that needs few
 * touches little of each, one that needs many will fill them.
 */
#define SMALL_SLABS 4
/* Slabs with nothing in them that a core keeps. */
#define EMPTY_SLABS 2
/* Larger pieces are kept only if most of their pages were touched. */
#define SURE_PAGES 64U
/* What is moved by copying: more, and moving page tables costs less. */
#define COPY_PAGES 16U
/*
 * Unmappings that are exact at any rate: a burst, and one in so many ticks of
 * the TSC (2^21: about a millisecond). One costs 5 us, and 1.7 us a page to
 * have memory there again (bench/mmap.c).
 */
#define TOKENS_MAX  32U
#define TOKEN_SHIFT 21

static struct slab **slabs; /* by chunk; NULL until the first time */
static struct list opened;  /* guarded by mm.lock */
static uint32_t nopen;

void pool_init(void)
{
	slabs = kalloc_pages(NCHUNKS * sizeof(struct slab *));
	AZ_ASSERT(slabs);
	list_init(&opened);
	nopen = 0;
}

/* --- a slab's pages --- */

static uint64_t page_address(const struct slab *s, uint32_t i)
{
	return s->start + i * AZ_PAGE_SIZE;
}

static struct slab *slab_at(uint64_t addr)
{
	if (addr < WINDOW_POOL || addr >= POOL_END)
		return NULL;
	return __atomic_load_n(&slabs[(addr - WINDOW_POOL) / AZ_CHUNK_SIZE],
			       __ATOMIC_ACQUIRE);
}

/* The open slab that holds all of [start, end), locked; or NULL. */
static struct slab *slab_lock(uint64_t start, uint64_t end)
{
	struct slab *s = slab_at(start);

	if (!s || end > s->start + AZ_CHUNK_SIZE)
		return NULL;
	spin_lock(&s->lock);
	if (s->open)
		return s;
	spin_unlock(&s->lock);
	return NULL;
}

static uint32_t count(const uint64_t *map, uint32_t at, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t w = at / 64; w * 64 < at + n; w++) {
		uint64_t word = map[w] & bits_mask(w, at, n);

		/* The compiler's own would call a library. */
		for (; word; word &= word - 1)
			sum++;
	}
	return sum;
}

static bool all_used(const struct slab *s, uint32_t at, uint32_t n)
{
	return bits_next(s->used, SLAB_PAGES, at, false) >= at + n;
}

/* The same for a room, that is, pages neither used nor, unless so, gone. */
static uint32_t room(const struct slab *s, uint32_t n, bool gone)
{
	uint64_t busy[SLAB_WORDS];

	if (SLAB_PAGES - s->nused < n)
		return SLAB_PAGES;
	if (gone)
		return bits_room(s->used, SLAB_PAGES, n);
	for (uint32_t w = 0; w < SLAB_WORDS; w++)
		busy[w] = s->used[w] | s->gone[w];
	return bits_room(busy, SLAB_PAGES, n);
}

static bool host_open(uint64_t addr, uint64_t len)
{
	return host_call(__NR_mmap, addr, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1,
			 0) == (long)addr;
}

/* Free pages become used; what of them has to be cleared goes to *clear. */
static void take(struct slab *s, uint32_t at, uint32_t n, uint64_t *clear)
{
	for (uint32_t w = at / 64; w * 64 < at + n; w++) {
		uint64_t mask = bits_mask(w, at, n);

		clear[w] = s->dirty[w] & mask;
		s->dirty[w] &= ~mask;
		s->gone[w] &= ~mask;
		s->used[w] |= mask;
	}
	s->nused += n;
}

/* Not under a lock: nobody else knows these pages yet. */
static void clear_pages(const struct slab *s, uint32_t at, uint32_t n,
			const uint64_t *clear)
{
	uint32_t end = at + n;

	while ((at = bits_next(clear, end, at, true)) < end) {
		uint32_t stop = bits_next(clear, end, at, false);
		uint64_t len = (stop - at) * AZ_PAGE_SIZE;

		/* They cannot fault, unless somebody deceives the unikernel. */
		if (zero_user(page_address(s, at), len))
			host_open(page_address(s, at), len);
		at = stop;
	}
}

/* Unmap free pages that are dirty, stretch by stretch. */
static void settle(struct slab *s)
{
	uint32_t at = 0;

	while ((at = bits_next(s->dirty, SLAB_PAGES, at, true)) < SLAB_PAGES) {
		uint32_t stop = bits_next(s->dirty, SLAB_PAGES, at, false);

		if (host_call(__NR_munmap, page_address(s, at),
			      (stop - at) * AZ_PAGE_SIZE, 0, 0, 0, 0))
			return; /* too many mappings: they stay dirty */
		for (uint32_t w = at / 64; w * 64 < stop; w++) {
			uint64_t mask = bits_mask(w, at, stop - at);

			s->dirty[w] &= ~mask;
			s->gone[w] |= mask;
		}
		at = stop;
	}
}

/* --- opening and closing --- */

/* mm.lock and the slab's are held; the tree has lost it. */
static void slab_shut(struct slab *s)
{
	s->open = false;
	s->owner = 0;
	list_remove(&s->links);
	nopen--;
}

/* The slab of the chunk at addr, made if there was none. */
static struct slab *slab_make(uint64_t addr)
{
	struct slab *s = slab_at(addr);

	if (s)
		return s;
	s = kalloc(sizeof(*s));
	if (!s)
		return NULL;
	s->start = addr;
	list_init(&s->links);
	__atomic_store_n(&slabs[(addr - WINDOW_POOL) / AZ_CHUNK_SIZE], s,
			 __ATOMIC_RELEASE);
	return s;
}

static struct slab *slab_open_locked(struct core *c)
{
	const struct vma_align align = { .align = AZ_CHUNK_SIZE };
	struct vma_tag tag = { .flags = VMA_READ | VMA_WRITE | VMA_SLAB,
			       .charge = AZ_CHUNK_SIZE };
	struct vma_totals none = { 0 };
	uint64_t addr;
	struct slab *s;

	if (!mm.plain || vma_reserve(&mm.set) ||
	    mm_admit(tag.flags, AZ_CHUNK_SIZE, tag.charge, &none))
		return NULL;
	addr = vma_hole(&mm.set, WINDOW_POOL, POOL_END, AZ_CHUNK_SIZE, align);
	s = addr ? slab_make(addr) : NULL;
	if (!s || !host_open(addr, AZ_CHUNK_SIZE))
		return NULL;
	if (nopen >= SMALL_SLABS)
		map_hugify(addr, addr + AZ_CHUNK_SIZE);
	tag.object = mm_new_object();
	mm_insert(addr, addr + AZ_CHUNK_SIZE, &tag);
	spin_lock(&s->lock);
	memset(s->used, 0, sizeof(s->used));
	memset(s->dirty, 0, sizeof(s->dirty));
	memset(s->gone, 0, sizeof(s->gone));
	s->nused = 0;
	s->sealed = false;
	s->open = true;
	s->owner = (uint16_t)(c->az.index + 1);
	spin_unlock(&s->lock);
	list_append(&opened, &s->links);
	nopen++;
	return s;
}

/* Nobody cuts from s any more; its free pages go back to the host. */
static void slab_retire(struct core *c, uint32_t k)
{
	struct slab *s = c->slab[k];

	c->slab[k] = NULL;
	if (!s)
		return;
	spin_lock(&s->lock);
	if (s->open && s->owner == c->az.index + 1) {
		s->owner = 0;
		settle(s);
	}
	spin_unlock(&s->lock);
}

/* The place of c for one more slab: an empty one, or of the fullest. */
static uint32_t slab_place(const struct core *c)
{
	uint32_t best = 0;

	for (uint32_t k = 0; k < POOL_SLABS; k++) {
		const struct slab *s = c->slab[k];

		if (!s)
			return k;
		if (s->nused > c->slab[best]->nused)
			best = k;
	}
	return best;
}

static struct slab *slab_open(struct core *c)
{
	struct slab *s;
	uint32_t k;

	spin_lock(&mm.lock);
	s = slab_open_locked(c);
	spin_unlock(&mm.lock);
	if (s) {
		k = slab_place(c);
		slab_retire(c, k);
		c->slab[k] = s;
	}
	return s;
}

/* Give the chunk back, if it is still without any used page. */
static void slab_close(struct core *c, struct slab *s)
{
	spin_lock(&mm.lock);
	spin_lock(&s->lock);
	if (s->open && !s->nused && !vma_reserve(&mm.set) &&
	    !host_call(__NR_munmap, s->start, AZ_CHUNK_SIZE, 0, 0, 0, 0)) {
		slab_shut(s);
		mm_remove(s->start, s->start + AZ_CHUNK_SIZE);
	}
	spin_unlock(&s->lock);
	spin_unlock(&mm.lock);
	for (uint32_t k = 0; k < POOL_SLABS; k++)
		if (c->slab[k] == s && !s->open)
			c->slab[k] = NULL;
}

/* --- mmap --- */

/* n pages of s, cleared, or 0. gone: even if the host has to map them. */
static uint64_t cut(struct core *c, struct slab *s, uint32_t n, bool gone)
{
	uint64_t clear[SLAB_WORDS];
	uint32_t at;

	spin_lock(&s->lock);
	if (!s->open || s->sealed || s->owner != c->az.index + 1)
		goto none;
	at = room(s, n, gone);
	if (at == SLAB_PAGES ||
	    (gone && !host_open(page_address(s, at), n * AZ_PAGE_SIZE)))
		goto none;
	take(s, at, n, clear);
	spin_unlock(&s->lock);
	if (!gone)
		clear_pages(s, at, n, clear);
	return page_address(s, at);
none:
	spin_unlock(&s->lock);
	return 0;
}

static uint64_t cut_any(struct core *c, uint32_t n, bool gone)
{
	for (uint32_t k = 0; k < POOL_SLABS; k++) {
		struct slab *s = c->slab[k];
		uint64_t addr = s ? cut(c, s, n, gone) : 0;

		if (addr)
			return addr;
		/* Dissolved, or closed and opened again by another. */
		if (s && (!s->open || s->owner != c->az.index + 1))
			c->slab[k] = NULL;
	}
	return 0;
}

uint64_t pool_alloc(uint64_t len)
{
	uint32_t n = (uint32_t)(len / AZ_PAGE_SIZE);
	struct core *c = core_self();
	uint64_t addr;
	struct slab *s;

	if (!mm.plain)
		return 0;
	addr = cut_any(c, n, false);
	if (!addr)
		addr = cut_any(c, n, true);
	if (addr)
		return addr;
	s = slab_open(c);
	return s ? cut(c, s, n, false) : 0;
}

/* --- munmap --- */

bool in_a_hurry(void)
{
	struct core *c = core_self();
	uint64_t now = __builtin_ia32_rdtsc();
	uint64_t since = (now - c->token_tsc) >> TOKEN_SHIFT;

	if (since) {
		c->token_tsc = now;
		c->tokens = (uint32_t)MIN(c->tokens + since, TOKENS_MAX);
	}
	if (!c->tokens)
		return true;
	c->tokens--;
	return false;
}

bool pool_exact(void)
{
	return mm.exact || !in_a_hurry();
}

/*
 * Is enough of a large piece resident that clearing it costs less than having
 * it anew? What was not there when it was given back stays away.
 */
static bool worth_keeping(const struct slab *s, uint32_t at, uint32_t n)
{
	uint8_t vec[SLAB_PAGES];
	uint32_t there = 0;

	if (n <= SURE_PAGES)
		return true;
	if (host_call(__NR_mincore, page_address(s, at), n * AZ_PAGE_SIZE,
		      (uint64_t)vec, 0, 0, 0))
		return false;
	for (uint32_t i = 0; i < n; i++)
		there += vec[i] & 1;
	return there >= n / 2;
}

static void give(struct slab *s, uint32_t at, uint32_t n, const uint64_t *to)
{
	s->nused -= count(s->used, at, n);
	for (uint32_t w = at / 64; w * 64 < at + n; w++) {
		uint64_t mask = bits_mask(w, at, n);

		if (to == s->gone) {
			s->dirty[w] &= ~mask;
			s->gone[w] |= mask;
		} else {
			s->dirty[w] |= s->used[w] & mask;
		}
		s->used[w] &= ~mask;
	}
}

/* Unmap pages of s, which is locked. */
static long release(struct slab *s, uint32_t at, uint32_t n)
{
	if (bits_next(s->used, SLAB_PAGES, at, true) >= at + n)
		return 0;
	if (s->owner && !pool_exact() && worth_keeping(s, at, n)) {
		give(s, at, n, s->dirty);
		return 0;
	}
	if (host_call(__NR_munmap, page_address(s, at), n * AZ_PAGE_SIZE, 0, 0,
		      0, 0))
		return -ENOMEM;
	give(s, at, n, s->gone);
	return 0;
}

/* Does c have more empty slabs than it should? */
static bool too_many_empty(const struct core *c)
{
	uint32_t empty = 0;

	for (uint32_t k = 0; k < POOL_SLABS; k++)
		empty += c->slab[k] && !c->slab[k]->nused;
	return empty > EMPTY_SLABS;
}

/* A slab of nobody that has become half empty: c goes on with it. */
static void slab_adopt(struct core *c, struct slab *s)
{
	uint32_t k = slab_place(c);

	if (c->slab[k] && c->slab[k]->nused <= s->nused)
		return;
	slab_retire(c, k);
	spin_lock(&s->lock);
	if (s->open && !s->owner) {
		s->owner = (uint16_t)(c->az.index + 1);
		c->slab[k] = s;
	}
	spin_unlock(&s->lock);
}

long pool_free(uint64_t start, uint64_t end)
{
	struct slab *s = slab_lock(start, end);
	struct core *c = core_self();
	uint32_t owner, nused, at;
	long err;

	if (!s)
		return 1;
	at = (uint32_t)((start - s->start) / AZ_PAGE_SIZE);
	err = release(s, at, (uint32_t)((end - start) / AZ_PAGE_SIZE));
	owner = s->owner;
	nused = s->nused;
	spin_unlock(&s->lock);
	if (!nused) {
		/* Another core's: it will find it, and use it again. */
		if (!owner || (owner == c->az.index + 1 &&
			       (mm.exact || too_many_empty(c))))
			slab_close(c, s);
	} else if (!owner && nused <= SLAB_PAGES / 2) {
		slab_adopt(c, s);
	}
	return err;
}

/* --- mremap --- */

/* Grow in place from n to m pages; *clear: what has to be cleared of it. */
static bool grow(struct slab *s, uint32_t at, uint32_t n, uint32_t m,
		 uint64_t *clear)
{
	uint32_t end = at + m;

	if (end > SLAB_PAGES || s->sealed ||
	    bits_next(s->used, SLAB_PAGES, at + n, true) < end ||
	    bits_next(s->gone, SLAB_PAGES, at + n, true) < end)
		return false;
	take(s, at + n, m - n, clear);
	return true;
}

/* What was at addr goes to `to`: by copying, or with one call by the host. */
static bool carry(uint64_t addr, uint64_t to, uint64_t len)
{
	if (len <= COPY_PAGES * AZ_PAGE_SIZE)
		return !copy_in_user(to, addr, len);
	return host_call(__NR_mremap, addr, len, len,
			 MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to,
			 0) == (long)to;
}

static long move(uint64_t addr, uint64_t old_len, uint64_t new_len)
{
	uint64_t to = pool_alloc(new_len);
	long err;

	if (!to)
		return 1;
	if (!carry(addr, to, old_len)) {
		pool_free(to, to + new_len);
		return 1;
	}
	err = pool_free(addr, addr + old_len);
	if (err > 0) /* dissolved meanwhile */
		err = mm_unmap(addr, old_len);
	return err < 0 ? err : (long)to;
}

long pool_resize(uint64_t addr, uint64_t old_len, uint64_t new_len,
		 bool may_move)
{
	struct slab *s = slab_lock(addr, addr + old_len);
	uint32_t n = (uint32_t)(old_len / AZ_PAGE_SIZE);
	uint32_t m = (uint32_t)(new_len / AZ_PAGE_SIZE);
	uint64_t clear[SLAB_WORDS];
	bool ours, grown = false;
	uint32_t at;

	if (!s)
		return 1;
	at = (uint32_t)((addr - s->start) / AZ_PAGE_SIZE);
	ours = all_used(s, at, n);
	if (ours && m > n)
		grown = grow(s, at, n, m, clear);
	spin_unlock(&s->lock);
	if (!ours)
		return 1;
	if (m < n) {
		long err = pool_free(addr + new_len, addr + old_len);

		return err ? err : (long)addr;
	}
	if (grown)
		clear_pages(s, at + n, m - n, clear);
	if (grown || m == n)
		return (long)addr;
	return may_move ? move(addr, old_len, new_len) : 1;
}

/* --- looking --- */

bool pool_used(uint64_t addr, uint64_t *start, uint64_t *end)
{
	struct slab *s = slab_lock(addr, addr + 1);
	uint32_t at, stop;

	if (!s)
		return false;
	at = (uint32_t)((addr - s->start) / AZ_PAGE_SIZE);
	at = bits_next(s->used, SLAB_PAGES, at, true);
	stop = bits_next(s->used, SLAB_PAGES, at, false);
	/* All of the stretch, also what lies before addr. */
	while (at > 0 && at < SLAB_PAGES && bits_has(s->used, at - 1))
		at--;
	*start = page_address(s, at);
	*end = page_address(s, stop);
	spin_unlock(&s->lock);
	return at < SLAB_PAGES;
}

void pool_refresh(uint64_t addr)
{
	struct slab *s = slab_at(addr);
	uint32_t at;

	if (!s)
		return;
	at = (uint32_t)((addr - s->start) / AZ_PAGE_SIZE);
	/* A look without the lock: the program's other calls may be under way */
	if (!(__atomic_load_n(&s->dirty[at / 64], __ATOMIC_RELAXED) >>
		  (at % 64) &
	      1))
		return;
	s = slab_lock(addr, addr + 1);
	if (!s)
		return;
	settle(s);
	spin_unlock(&s->lock);
}

uint64_t pool_unused(uint64_t *charged)
{
	uint64_t sum = 0;

	*charged = 0;
	list_for_each(e, &opened) {
		struct slab *s = list_entry(e, struct slab, links);
		uint64_t n = (SLAB_PAGES - s->nused) * AZ_PAGE_SIZE;

		sum += n;
		*charged += s->sealed ? 0 : n;
	}
	return sum;
}

/* --- under mm.lock: slabs and the tree --- */

static uint32_t stretches(const struct slab *s)
{
	uint32_t n = 0;

	for (uint32_t at = 0; at < SLAB_PAGES; n++) {
		at = bits_next(s->used, SLAB_PAGES, at, true);
		at = bits_next(s->used, SLAB_PAGES, at, false);
	}
	return n;
}

/* Unmap what is free on the host, whether dirty or not. */
static int drop_free(struct slab *s)
{
	uint32_t at = 0;

	while ((at = bits_next(s->used, SLAB_PAGES, at, false)) < SLAB_PAGES) {
		uint32_t stop = bits_next(s->used, SLAB_PAGES, at, true);

		if (count(s->gone, at, stop - at) < stop - at &&
		    host_call(__NR_munmap, page_address(s, at),
			      (stop - at) * AZ_PAGE_SIZE, 0, 0, 0, 0))
			return -ENOMEM;
		give(s, at, stop - at, s->gone);
		at = stop;
	}
	return 0;
}

static int dissolve(struct slab *s)
{
	struct vma_tag tag = { .flags = VMA_READ | VMA_WRITE };
	int err = vma_reserve_more(&mm.set, stretches(s));
	uint32_t at = 0;

	if (!err)
		err = drop_free(s);
	if (err)
		return err;
	mm_remove(s->start, s->start + AZ_CHUNK_SIZE);
	while ((at = bits_next(s->used, SLAB_PAGES, at, true)) < SLAB_PAGES) {
		uint32_t stop = bits_next(s->used, SLAB_PAGES, at, false);

		tag.charge = (stop - at) * AZ_PAGE_SIZE;
		mm_insert(page_address(s, at), page_address(s, stop), &tag);
		at = stop;
	}
	slab_shut(s);
	return 0;
}

int pool_dissolve(uint64_t start, uint64_t end)
{
	if (!pool_holds(start, end))
		return 0;
	list_for_each_safe(e, n, &opened) {
		struct slab *s = list_entry(e, struct slab, links);
		int err = 0;

		if (s->start >= end || s->start + AZ_CHUNK_SIZE <= start)
			continue;
		spin_lock(&s->lock);
		err = dissolve(s);
		spin_unlock(&s->lock);
		if (err)
			return err;
	}
	return 0;
}

void pool_seal(void)
{
	list_for_each(e, &opened) {
		struct slab *s = list_entry(e, struct slab, links);
		struct vma *v = vma_find(&mm.set, s->start);

		spin_lock(&s->lock);
		s->sealed = true;
		/* Keeps it apart as it was: nothing but the charge changes. */
		vma_retag(&mm.set, v, v->flags, s->nused * AZ_PAGE_SIZE);
		spin_unlock(&s->lock);
	}
}

void pool_settle(void)
{
	list_for_each(e, &opened) {
		struct slab *s = list_entry(e, struct slab, links);

		spin_lock(&s->lock);
		settle(s);
		spin_unlock(&s->lock);
	}
}

void pool_adopt_all(void)
{
	struct core *c = core_at(0);
	uint32_t k = 0;

	memset(c->slab, 0, sizeof(c->slab));
	c->tokens = TOKENS_MAX;
	list_for_each(e, &opened) {
		struct slab *s = list_entry(e, struct slab, links);

		s->owner = k < POOL_SLABS;
		if (s->owner)
			c->slab[k++] = s;
	}
}
