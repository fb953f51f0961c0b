# SPDX-License-Identifier: MIT
# scripting.sh - Perl and Lua.
# needs: perl lua5.4
. "$TESTS/lib.sh"
words 5000 >w

title perl
$RUN perl -e 'use strict; use warnings;
my %h; open my $f, "<", "w" or die; while (<$f>) { my @a = split; $h{$a[1]}++; $h{sum} += $a[0] }
print join(" ", map { "$_=$h{$_}" } sort keys %h), "\n";
my @s = sort { $a <=> $b } map { ($_ * 7919) % 10007 } 1 .. 10000; print "@s[0..4]\n";
my $t = "x" x 100000; $t =~ s/xx/y/g; print length $t, "\n";
print scalar reverse("hello"), " ", sprintf("%.6f %e %x", 3.14159265, 12345.678, 255), "\n";
my $fib; $fib = sub { my $n = shift; $n < 2 ? $n : $fib->($n-1) + $fib->($n-2) }; print $fib->(20), "\n";'
$RUN perl -ne 'print if /line-\d*99 /' w | cksum
$RUN perl -pe 's/(\w+) (\w+)/$2 $1/' w | cksum
$RUN perl -MPOSIX -e 'print floor(-3.5), " ", strftime("%Y", gmtime 0), " ", DBL_MAX > 1e300, "\n"'
$RUN perl -e 'local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 10; }; print $@'
$RUN perl -e 'local $SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$; print "done\n"'
$RUN perl -e 'use Socket; socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die; syswrite $a, "via socket\n"; print scalar <$b>'
$RUN perl -e 'opendir my $d, "." or die; print join(",", sort grep { !/^\./ } readdir $d), "\n"'
$RUN perl -e 'printf "%s\n", -s "w"; my @s = stat "w"; print $s[7], "\n"; unlink "nothing" or print "$!\n"'
status $RUN perl -e 'exit 42'
status $RUN perl -e 'die "dead\n"'
status $RUN perl -e 'kill 15, $$'
if perl -MConfig -e 'exit !$Config{useithreads}' && perl -Mthreads -e 1 2>/dev/null; then
	$RUN perl -Mthreads -e 'my @t = map { my $n = $_; threads->create(sub { my $s = 0; $s += $_ * $n for 1 .. 20000; $s }) } 1 .. 6; print join(" ", map { $_->join } @t), "\n"'
fi

title lua
$RUN lua5.4 - <<'END'
local t = {}
for i = 1, 200000 do t[i] = (i * 7919) % 200003 end
table.sort(t)
print(t[1], t[#t], #t)
local s = {}
for w in io.lines("w") do s[#s + 1] = w:match("line%-(%d+)") end
print(#s, s[#s], table.concat(s, ","):len())
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(fib(24), 7 // 2, 7 % -3, 2 ^ 53, 1 << 40, math.pi)
local co = coroutine.wrap(function() for i = 1, 5 do coroutine.yield(i * i) end end)
print(co(), co(), co())
print(pcall(error, "caught"))
print(string.format("%5.2f|%q|%x", 3.14159, "a\nb", 255), ("x"):rep(5, "-"))
print(string.pack("<I4", 1):byte(1, -1))
local big = {}
for i = 1, 100 do big[i] = ("y"):rep(100000) end
collectgarbage()
print(collectgarbage("count") > 9000)
big = nil
collectgarbage()
print(collectgarbage("count") < 9000)
local f = assert(io.open("out", "w"))
f:write("written by lua\n")
f:close()
print(io.open("out"):read("a"))
print(os.getenv("HOME") ~= nil, os.time{year=2020, month=1, day=1, hour=12} > 0, os.remove("nothing"))
print("end")
END
