/* SPDX-License-Identifier: MIT */
/*
 * sites.c - the call sites of an instance, as JSON and as text.
 *
 * A site that was used once has trapped once, and there was nothing to gain:
 * shares are of those that were used again.
 */
#include "cli/sites.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/describe.h"
#include "cli/table.h"

#define SHOWN 20 /* in text */

struct totals {
	uint64_t seen, again, rewritten, hits, traps;
};

static const char *form_name(uint8_t form)
{
	static const char *const names[] = { "-", "move", "pad", "move+pad" };

	return names[form & (AZ_SITE_MOVE | AZ_SITE_PAD)];
}

static const char *reason_name(const struct az_site *s)
{
	static const char *const names[] = {
		[AZ_SITE_OK] = "",
		[AZ_SITE_NONE] = "not an instruction to rewrite",
		[AZ_SITE_NO_SPACE] = "no room for a jump",
		[AZ_SITE_UNCERTAIN] = "unclear what is in front of it",
		[AZ_SITE_NO_STUB] = "no room for a stub near it",
		[AZ_SITE_NO_WRITE] = "the host does not let us write there",
		[AZ_SITE_NO_TEXT] = "shared or writable code",
	};

	if (s->form || s->why >= sizeof(names) / sizeof(names[0]))
		return "";
	return s->why || s->traps > 1 ? names[s->why] : "used once";
}

/* Is entry i in use? */
static const struct az_site *site_at(const struct az_stats *stats, uint32_t i)
{
	const struct az_site *s = &stats->site[i];

	return s->addr ? s : NULL;
}

static uint32_t sites_count(const struct az_stats *stats)
{
	return stats->nsites < AZ_SITES ? stats->nsites : AZ_SITES;
}

uint64_t sites_kind_hits(const struct az_stats *stats, unsigned int kind)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < sites_count(stats); i++)
		if (site_at(stats, i) && stats->site[i].kind == kind)
			n += stats->site[i].hits;
	return n;
}

static json_t *site_describe(const struct az_site *s, struct totals *sum)
{
	char address[32];

	sum->seen++;
	sum->again += s->hits + s->traps > 1;
	sum->rewritten += s->form != 0;
	sum->hits += s->hits;
	sum->traps += s->traps;
	(void)snprintf(address, sizeof(address), "%#" PRIx64, s->addr);
	return json_pack("{s:s, s:I, s:s, s:I, s:I, s:s}", "address", address,
			 "offset", (json_int_t)s->offset, "form",
			 form_name(s->form), "hits", (json_int_t)s->hits,
			 "traps", (json_int_t)s->traps, "reason",
			 reason_name(s));
}

static double percent(uint64_t part, uint64_t of)
{
	return of ? 100.0 * (double)part / (double)of : 0;
}

json_t *sites_describe(const struct az_stats *stats, uint64_t calls)
{
	struct totals sum = { .hits = stats->hits_gone };
	json_t *list = json_array();

	for (uint32_t i = 0; i < sites_count(stats); i++)
		if (site_at(stats, i))
			(void)json_array_append_new(
			    list, site_describe(site_at(stats, i), &sum));
	return json_pack("{s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:o}",
			 "seen", (json_int_t)sum.seen, "used_again",
			 (json_int_t)sum.again, "rewritten",
			 (json_int_t)sum.rewritten, "rewritten_percent",
			 percent(sum.rewritten, sum.again),
			 "without_trap_percent", percent(sum.hits, calls),
			 "without_trap", (json_int_t)sum.hits, "forgotten",
			 (json_int_t)stats->sites_gone, "traps_unlisted",
			 (json_int_t)stats->sites_lost, "list", list);
}

/* --- files --- */

static uint64_t site_address(const json_t *site)
{
	const char *text = json_string_value(json_object_get(site, "address"));

	return text ? strtoull(text, NULL, 16) : 0;
}

/* One line of /proc/PID/maps: name the sites in its range. */
static void name_range(json_t *list, uint64_t start, uint64_t end,
		       const char *path)
{
	json_t *site;
	size_t i;

	json_array_foreach(list, i, site)
	{
		uint64_t addr = site_address(site);

		if (addr >= start && addr < end)
			(void)json_object_set_new(site, "file",
						  describe_text(path));
	}
}

void sites_name_files(json_t *sites, pid_t pid)
{
	json_t *list = json_object_get(sites, "list");
	char name[64], *line = NULL, *end;
	size_t room = 0;
	FILE *f;

	(void)snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	f = fopen(name, "re");
	if (!f)
		return;
	while (getline(&line, &room, f) > 0) {
		uint64_t start = strtoull(line, &end, 16), stop;
		char *path = strchr(line, '/');

		if (*end != '-' || !path || !strstr(line, "r-xp"))
			continue;
		stop = strtoull(end + 1, NULL, 16);
		path[strcspn(path, "\n")] = '\0';
		name_range(list, start, stop, path);
	}
	free(line);
	(void)fclose(f);
}

/* --- text --- */

static long long number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static int compare_use(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	long long m = number_of(x, "hits") + number_of(x, "traps");
	long long n = number_of(y, "hits") + number_of(y, "traps");

	return (m < n) - (m > n);
}

static void print_site(struct table *t, const json_t *site)
{
	const char *path = text_of(site, "file");
	const char *slash = strrchr(path, '/');

	table_cell(t, "%s", text_of(site, "address"));
	if (*path)
		table_cell(t, "%s+%#llx", slash ? slash + 1 : path,
			   (unsigned long long)number_of(site, "offset"));
	else
		table_cell(t, "-");
	table_cell(t, "%s", text_of(site, "form"));
	table_cell(t, "%lld", number_of(site, "hits"));
	table_cell(t, "%lld", number_of(site, "traps"));
	table_cell(t, "%s", text_of(site, "reason"));
}

static void print_list(json_t **list, size_t n)
{
	struct table t = { .columns = 6 };
	size_t i;

	/* Pointers it is: NOLINTNEXTLINE(bugprone-sizeof-expression) */
	qsort(list, n, sizeof(*list), compare_use);
	table_cell(&t, "SITE");
	table_cell(&t, "FILE");
	table_cell(&t, "FORM");
	table_cell(&t, "HITS");
	table_cell(&t, "TRAPS");
	table_cell(&t, "NOTE");
	for (i = 0; i < n && i < SHOWN; i++)
		print_site(&t, list[i]);
	(void)printf("\n");
	table_print(&t);
	if (n > SHOWN)
		(void)printf("(and %zu more sites: -o json has all of them)\n",
			     n - SHOWN);
}

void sites_print(const json_t *sites)
{
	const json_t *list = json_object_get(sites, "list");
	size_t i, n = json_array_size(list);
	json_t **sorted = calloc(n + 1, sizeof(json_t *));

	(void)printf(
	    "%-17s%lld of %lld sites rewritten, %.2f %% of calls without a "
	    "trap\n",
	    "Call sites:", number_of(sites, "rewritten"),
	    number_of(sites, "used_again"),
	    json_real_value(json_object_get(sites, "without_trap_percent")));
	if (number_of(sites, "seen") > number_of(sites, "used_again"))
		(void)printf("%-17s%lld more were used once\n", "",
			     number_of(sites, "seen") -
				 number_of(sites, "used_again"));
	if (!n || !sorted) {
		free(sorted);
		return;
	}
	for (i = 0; i < n; i++)
		sorted[i] = json_array_get(list, i);
	print_list(sorted, n);
	free(sorted);
}
