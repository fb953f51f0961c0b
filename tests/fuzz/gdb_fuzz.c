/* SPDX-License-Identifier: MIT */
/*
 * gdb_fuzz.c - what the server makes of any bytes that a debugger sends, over an
 * instance whose memory holds any bytes as well.
 *
 * The first half of the input is memory (a few pages, also where lists of
 * threads and libraries are looked for), the second what gdb says: both the
 * stream as it is, and its lines as packets. A core counts as stopped once it
 * has been stopped.
 */
/* links: host/gdb/run.c host/gdb/breaks.c host/gdb/watch.c host/gdb/rsp.c */
/* links: host/gdb/inferior.c host/gdb/libraries.c host/gdb/regs.c */
/* links: host/gdb/signo.c host/gdb/access.c host/gdb/xfer.c */
/* cflags: -idirafter kernel */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../host/gdb/server.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MEMORY 8192
#define NCORES 2

#define CHECK(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static uint8_t memory[MEMORY];
static bool core_runs[NCORES], core_steps[NCORES];
static struct gdb_regs regs[NCORES];

/* All of the address space is this memory, again and again; but for page 0. */
static ssize_t fake_read(uint64_t addr, void *buf, size_t n)
{
	uint8_t *p = buf;

	if (addr < 4096 || addr + n < addr)
		return -EFAULT;
	for (size_t i = 0; i < n; i++)
		p[i] = memory[(addr + i) % MEMORY];
	return (ssize_t)n;
}

static ssize_t fake_write(uint64_t addr, const void *buf, size_t n)
{
	const uint8_t *p = buf;

	if (addr < 4096 || addr + n < addr)
		return -EFAULT;
	for (size_t i = 0; i < n; i++)
		memory[(addr + i) % MEMORY] = p[i];
	return (ssize_t)n;
}

static bool fake_wait(struct gdb_event *ev)
{
	for (uint32_t i = 0; i < NCORES; i++) {
		if (!core_runs[i] || !core_steps[i])
			continue;
		core_runs[i] = core_steps[i] = false;
		*ev = (struct gdb_event){ .kind = GDB_STEP, .core = i };
		return true;
	}
	return false;
}

static int fake_fd(void)
{
	return -1;
}

static void fake_stop(void)
{
	memset(core_runs, 0, sizeof(core_runs));
}

static void fake_resume(uint32_t i, bool step)
{
	CHECK(i < NCORES);
	core_runs[i] = true;
	core_steps[i] = step;
}

static void nothing(void)
{
}

static bool fake_up(uint32_t i)
{
	return i < NCORES;
}

static int fake_get(uint32_t i, struct gdb_regs *r)
{
	CHECK(i < NCORES && !core_runs[i]);
	*r = regs[i];
	r->known = REGS_ALL;
	return 0;
}

static int fake_set(uint32_t i, const struct gdb_regs *r)
{
	CHECK(i < NCORES && !core_runs[i]);
	regs[i] = *r;
	return 0;
}

static int fake_watch(const uint64_t addr[4], uint64_t dr7)
{
	/* Nothing but local enables, and the fields of the four. */
	CHECK(!(dr7 & 0xff00ffaaULL & ~0xffff0000ULL));
	(void)addr;
	return 0;
}

static void fake_kill(int sig)
{
	(void)sig;
}

static const struct gdb_target fake = {
	.wait = fake_wait,
	.wait_fd = fake_fd,
	.stop = fake_stop,
	.resume = fake_resume,
	.release = nothing,
	.up = fake_up,
	.get = fake_get,
	.set = fake_set,
	.watch = fake_watch,
	.read = fake_read,
	.write = fake_write,
	.kill = fake_kill,
	.detach = nothing,
};

static void begin(void)
{
	memset(&reader, 0, sizeof(reader));
	memset(core_runs, 0, sizeof(core_runs));
	memset(core_steps, 0, sizeof(core_steps));
	runs = done = released = no_ack = false;
	inferior_image.text = 0x4f0000000000;
	inferior_image.text_end = 0x4f0000010000;
	inferior_debug = (struct az_debug){ .threads = 0x10000,
					    .auxv = 0x10100,
					    .auxv_words = 0x10080,
					    .signal = 0x4f0000000100,
					    .all = 64,
					    .tid = 8 };
	run_stop(&last);
	last.tid = access_thread();
}

/* gdb waits for a stop: have one, or Ctrl-C. */
static void come_back(void)
{
	struct stop s;

	if (!runs || done)
		return;
	if (run_events(&s))
		stopped(&s);
	else
		on_break();
	CHECK(!runs || done);
}

static void say_packet(const char *text, size_t n)
{
	reader.len = n < RSP_MAX ? n : RSP_MAX;
	memcpy(reader.data, text, reader.len);
	reader.data[reader.len] = '\0';
	on_packet();
	come_back();
}

static void say_lines(const char *text, size_t n)
{
	while (n && !done) {
		const char *end = memchr(text, '\n', n);
		size_t len = end ? (size_t)(end - text) : n;

		say_packet(text, len);
		text += len + (end != NULL);
		n -= len + (end != NULL);
	}
}

static void say_stream(const char *text, size_t n)
{
	size_t used;

	for (; n && !done; text += used, n -= used) {
		if (rsp_read(&reader, text, n, &used) == RSP_PACKET)
			on_packet();
		CHECK(used && used <= n && reader.len <= RSP_MAX);
		come_back();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t half = len / 2 < MEMORY ? len / 2 : MEMORY;

	if (!cfg.target) {
		cfg = (struct gdb_server){ .target = &fake,
					   .listen_fd = -1,
					   .image = "/azalea.elf",
					   .fresh = true };
		out = in = open("/dev/null", O_RDWR);
		access_init(&fake);
		xfer_init(&fake, cfg.image);
		CHECK(!run_init(&fake, 0, true));
		CHECK(inferior_init(&fake, MEMORY) == -ENOEXEC);
	}
	memset(memory, 0, sizeof(memory));
	memcpy(memory, data, half);
	begin();
	say_lines((const char *)data + half, len - half);
	begin();
	say_stream((const char *)data + half, len - half);
	breaks_drop_all(~0U);
	xfer_init(&fake, cfg.image);
	return 0;
}
