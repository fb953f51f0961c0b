# SPDX-License-Identifier: MIT
# lua.sh - lua5.4: strings, tables, coroutines, files, the collector.
# needs: lua5.4
. "$TESTS/lib.inc"

cat $LICENSES/GPL-* >all
cat >words.lua <<'END'
local n, total = {}, 0
for line in io.lines(arg[1]) do
	for w in line:gmatch("%a+") do
		w = w:lower(); n[w] = (n[w] or 0) + 1; total = total + 1
	end
end
local words = {}
for w in pairs(n) do words[#words + 1] = w end
table.sort(words, function(a, b)
	if n[a] ~= n[b] then return n[a] > n[b] end
	return a < b
end)
print(total, #words)
for i = 1, 30 do print(n[words[i]], words[i]) end
END
cat >work.lua <<'END'
local function queens(n)
	local count, cols, d1, d2 = 0, {}, {}, {}
	local function place(row)
		if row > n then count = count + 1 return end
		for c = 1, n do
			if not (cols[c] or d1[row + c] or d2[row - c + n]) then
				cols[c], d1[row + c], d2[row - c + n] = true, true, true
				place(row + 1)
				cols[c], d1[row + c], d2[row - c + n] = nil, nil, nil
			end
		end
	end
	place(1)
	return count
end
print(queens(8), 2^53, 7 // 2, -7 % 3, 1 << 40, math.maxinteger + 1)
local co = coroutine.wrap(function() for i = 1, 5 do coroutine.yield(i * i) end end)
print(co(), co(), co())
local keep = {}
for i = 1, 400000 do keep[i % 1000] = { i, tostring(i) } end
collectgarbage()
print(collectgarbage("count") < 20000, #keep)
print(pcall(error, { code = 3 }), select(2, pcall(function() return 1 + nil end)))
print(string.format("%q %5.2f %x", "a\nb", 3.14159, 255), ("x"):rep(3, "-"))
print(("hello world"):gsub("o", "0"), utf8.char(233, 8364), #utf8.char(8364))
print(string.pack("<i4d", 7, 1.5):byte(1, -1))
print(load("return ...")(1, 2), os.getenv("LC_ALL"), os.time{ year = 2024, month = 1, day = 1 } > 0)
print(math.floor(3.7), math.tointeger(3.0), 10 / 2, math.type(1), 0x7fffffff)
local f = assert(io.open("out", "w"))
for i = 1, 10000 do f:write(i, "\n") end
f:close()
f = io.open("out"); f:seek("set", 100); print(f:read("l", "n", 10)); f:close()
print(os.rename("out", "out2"), os.remove("out"), io.open("/nonexistent"))
local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end
print(deep(10000), (select(2, pcall(function() local function f() return f() + 1 end return f() end))):match("overflow"))
os.exit(3)
END
try lua5.4 -v
try lua5.4 words.lua all
try lua5.4 work.lua
try lua5.4 -e 'error("said natively, too")'
try lua5.4 -e 'print(#io.read("a"))' <all
try lua5.4 nonexistent.lua
