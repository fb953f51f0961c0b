# SPDX-License-Identifier: MIT
# sqlite.sh - the sqlite3 shell with a database file: made under test and read
# natively, and the reverse; journals, WAL, an index, a lock, a damaged file.
# needs: sqlite3
. "$TESTS/lib.inc"

tr -cs A-Za-z '\n' <$GPL | tr A-Z a-z | head -n 6000 >words.csv
cat >make.sql <<'END'
.bail on
pragma journal_mode;
create table word (id integer primary key, w text not null);
create temp table raw (w text);
.mode csv
.import words.csv raw
.mode list
insert into word (w) select w from raw;
create index by_w on word (w);
begin;
update word set w = upper(w) where id % 5 = 0;
savepoint s;
delete from word;
select count(*) from word;
rollback to s;
commit;
create view often as select lower(w) w, count(*) n from word group by 1;
create table gone (w text);
create trigger t after delete on word begin
	insert into gone values (old.w); end;
delete from word where id between 10 and 20;
create virtual table doc using fts5 (body);
insert into doc select group_concat(w, ' ') from
	(select * from word limit 5000);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 5000)
	insert into word (w) select printf('n%05d', x) from c;
END
cat >ask.sql <<'END'
select count(*), count(distinct w), sum(length(w)) from word;
select n, w from often order by n desc, w limit 15;
select group_concat(w, ' ') from gone;
select a.w, b.w from word a join word b on a.id = b.id + 5000 limit 5;
select snippet(doc, 0, '[', ']', '...', 8) from doc where doc match 'warranty';
select w, row_number() over (order by w), lag(w) over (order by w) from gone;
select json_extract('{"a":[1,2,{"b":7}]}', '$.a[2].b'), hex(zeroblob(4));
select round(2.567, 1), sum(id / 7.0) from word;
explain query plan select * from word where w = 'the';
pragma integrity_check;
.schema
END
try sqlite3 -version
try sqlite3 under.db <make.sql
sqlite3 native.db <make.sql
cmp under.db native.db && echo 'the same file'
for db in under native; do
	try sqlite3 $db.db <ask.sql
done
sqlite3 under.db <ask.sql
try sqlite3 -csv -header under.db 'select * from often order by w limit 10'
try sqlite3 under.db .dump >dump
sqlite3 native.db .dump >dump2
tail -n +2 dump | cmp - dump2 && echo 'the same dump'
try sqlite3 back.db <dump2
try sqlite3 back.db 'select count(*) from word'

try sqlite3 under.db 'pragma journal_mode = wal; pragma wal_autocheckpoint = 10;
	insert into word (w) select w from word; select count(*) from word;
	pragma wal_checkpoint(truncate); vacuum; pragma page_count;'
sqlite3 under.db 'select count(*) from word; pragma integrity_check'
try sqlite3 under.db 'pragma mmap_size = 100000000; select sum(id) from word'

# A lock that another process holds, natively.
mkfifo go
(
	printf '.output said\nbegin exclusive;\nselect 1;\n.output\n'
	cat go
) | sqlite3 native.db &
until [ -s said ]; do
	sleep 0.05
done
try sqlite3 native.db "insert into gone values ('x')"
echo 'rollback;' >go
wait
try sqlite3 native.db "insert into gone values ('x'); select changes()"

try sqlite3 under.db 'select nothing'
try sqlite3 -readonly under.db 'delete from word'
try sqlite3 -bail under.db 'insert into word values (1, null)'
head -c 10000 native.db >broken.db
try sqlite3 broken.db 'pragma integrity_check'
try sqlite3 /nonexistent/x.db 'create table t (a)'
