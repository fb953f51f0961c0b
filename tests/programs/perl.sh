# SPDX-License-Identifier: MIT
# perl.sh - perl: texts, modules, files, sockets, interpreter threads, signals.
# needs: perl
. "$TESTS/lib.inc"

cat $LICENSES/GPL-* >all
try perl -v
try perl -ne '$n{lc $1}++ while /(\w+)/g; END { printf "%5d %s\n", $n{$_}, $_
	for (sort { $n{$b} <=> $n{$a} || $a cmp $b } keys %n)[0 .. 40] }' all
try perl -pi.bak -e 's/GNU/gnu/g; $_ = reverse $_ if $. % 7 == 0' all
try perl -MDigest::SHA=sha256_hex -MDigest::MD5=md5_hex -0777 -ne \
	'print sha256_hex($_), " ", md5_hex($_), "\n"' all all.bak
try perl -MCompress::Zlib -0777 -ne '$z = compress($_); print length $z, " ",
	uncompress($z) eq $_ ? "same" : "differs", "\n"' all
try perl -MMath::BigInt -e 'print Math::BigInt->new(2)->bpow(521)->bsub(1), "\n"'
try perl -MMIME::Base64 -MStorable=freeze,thaw -MData::Dumper -e '
	$Data::Dumper::Sortkeys = 1; my $d = { a => [1 .. 5], b => { c => undef } };
	print Dumper(thaw(freeze($d))), encode_base64("x" x 100)'
try perl -MPOSIX -e 'print strftime("%F %T", gmtime 1700000000), " ",
	floor(-2.5), " ", join(",", (uname)[0, 4]), "\n"; POSIX::_exit(5)'
try perl -MFile::Find -MCwd -e 'find(sub { push @f, $_ if -f }, "/etc/default");
	print join(" ", sort @f), "\n"'
try perl -e 'open F, "<", "/nonexistent" or die "no: $!\n"'
try perl -e 'kill "TERM", $$; sleep 10'
try perl -e '$SIG{ALRM} = sub { die "alarm\n" }; alarm 1; 1 while 1'
try perl -MTime::HiRes=sleep,time -e '$t = time; sleep 0.05;
	print time - $t >= 0.05 ? "slept\n" : "woke early\n"'
cat >threads.pl <<'END'
use strict; use warnings; use threads; use threads::shared; use Thread::Queue;
my $total :shared = 0;
my $q = Thread::Queue->new;
my @t = map { threads->create(sub {
	my $sum = 0;
	while (defined(my $i = $q->dequeue)) { $sum += $i; lock $total; $total += $i }
	return $sum > 0 ? 1 : 0;
}) } 1 .. 4;
$q->enqueue($_) for 1 .. 2000;
$q->end;
my @r = map { $_->join } @t;
print scalar(@r), " $total\n";
END
try perl threads.pl
cat >sockets.pl <<'END'
use strict; use warnings; use threads; use IO::Socket::INET; use IO::Select;
my $l = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die $!;
my $t = threads->create(sub {
	for (1 .. 3) {
		my $c = $l->accept;
		while (my $line = <$c>) { print $c scalar reverse($line) }
	}
});
for my $i (1 .. 3) {
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	    PeerPort => $l->sockport) or die $!;
	print $s "line $_ of $i\n" for 1 .. 50;
	shutdown $s, 1;
	IO::Select->new($s)->can_read;
	my @got = <$s>;
	print join("", @got);
}
$t->join;
END
try perl sockets.pl
cat >sieve.pl <<'END'
my $n = 300000; my @c; my @p;
for my $i (2 .. $n) { next if $c[$i]; push @p, $i;
	for (my $j = $i * $i; $j <= $n; $j += $i) { $c[$j] = 1 } }
print scalar @p, " $p[-1]\n";
sub ack { my ($m, $n) = @_; no warnings; $m == 0 ? $n + 1 :
	$n == 0 ? ack($m - 1, 1) : ack($m - 1, ack($m, $n - 1)) }
print ack(2, 200), "\n";
my $s = "a" x 25; print "no match\n" unless $s =~ /^(a?){20}b/;
local $SIG{__WARN__} = sub { print "warning: @_" };
my $x = "abc" + 1; eval { die { code => 42 } }; print $@->{code}, "\n";
END
try perl -w sieve.pl
# shellcheck disable=SC2086
$RUN perl -MIO::Select -e 'while (read STDIN, $b, 65536) { $n += length $b }
	print "$n\n"' <all
