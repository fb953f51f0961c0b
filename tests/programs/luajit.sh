# SPDX-License-Identifier: MIT
# luajit.sh - LuaJIT: traces compiled while they run, and calls by its FFI, from
# interpreted and from compiled code.
# needs: luajit
. "$TESTS/lib.inc"

cat >work.lua <<'END'
local function sieve(n)
	local s, c = {}, 0
	for i = 2, n do
		if not s[i] then
			c = c + 1
			for j = i * i, n, i do s[j] = true end
		end
	end
	return c
end
print(sieve(200000))
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
print(fib(27))
local t = {}
for i = 1, 20000 do t[#t + 1] = tostring(i * 7 % 1000) end
table.sort(t)
print(t[1], t[10000], #table.concat(t))
local bit = require 'bit'
local h = 0
for i = 1, 3e6 do h = bit.bxor(bit.rol(h, 5), i) end
print(h)
-- Code that is made anew all the time.
local sum = 0
for i = 1, 300 do
	local f = loadstring('local s = 0 for i = 1, 200 do s = s + i % ' ..
			     (i % 17 + 1) .. ' end return s')
	sum = sum + f()
	if i % 50 == 0 and jit then jit.flush() end
end
print(sum)
local co = coroutine.wrap(function()
	for i = 1, 10000 do coroutine.yield(i) end
end)
local n = 0
for i = 1, 10000 do n = n + co() end
print(n)
END
cat >ffi.lua <<'END'
local ffi = require 'ffi'
ffi.cdef [[
int getpid(void); int getppid(void); int close(int);
long syscall(long, ...);
int pipe(int *); long write(int, const void *, size_t);
long read(int, void *, size_t);
typedef int (*cmp)(const void *, const void *);
void qsort(void *, size_t, size_t, cmp);
void *mmap(void *, size_t, int, int, int, long);
int mprotect(void *, size_t, int); int munmap(void *, size_t);
]]
local C = ffi.C
local pid, ppid, bad = C.getpid(), C.getppid(), 0
for i = 1, 20000 do
	if C.getpid() ~= pid or C.getppid() ~= ppid then bad = bad + 1 end
	if C.close(-1) ~= -1 or ffi.errno() ~= 9 then bad = bad + 1 end
	if C.syscall(110) ~= ppid then bad = bad + 1 end
end
print('wrong', bad)
local p, buf = ffi.new('int[2]'), ffi.new('char[64]')
assert(C.pipe(p) == 0)
for i = 1, 5000 do
	if C.write(p[1], 'hello', 5) ~= 5 then bad = bad + 1 end
	if C.read(p[0], buf, 64) ~= 5 then bad = bad + 1 end
	if ffi.string(buf, 5) ~= 'hello' then bad = bad + 1 end
end
print('wrong', bad)
local a = ffi.new('int[1000]')
for i = 0, 999 do a[i] = i * 7919 % 1000 end
C.qsort(a, 1000, 4, function(x, y)
	return ffi.cast('int *', x)[0] - ffi.cast('int *', y)[0]
end)
for i = 0, 999 do if a[i] ~= i then bad = bad + 1 end end
print('wrong', bad)
-- mov $110,%eax; syscall; ret
for i = 1, 30 do
	local m = C.mmap(nil, 4096, 3, 0x22, -1, 0)
	ffi.copy(m, '\xb8\x6e\0\0\0\x0f\x05\xc3', 8)
	assert(C.mprotect(m, 4096, 5) == 0)
	local f = ffi.cast('int (*)(void)', m)
	for k = 1, 100 do if f() ~= ppid then bad = bad + 1 end end
	assert(C.munmap(m, 4096) == 0)
end
print('wrong', bad)
END
try luajit work.lua
try luajit -joff work.lua
try luajit -O1 work.lua
try luajit -Ohotloop=2 work.lua
try luajit ffi.lua
try luajit -joff ffi.lua
try luajit -Ohotloop=2 ffi.lua
status $RUN luajit -e 'error("said natively, too", 0)' 2>said
head -n 1 said
