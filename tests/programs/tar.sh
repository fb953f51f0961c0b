# SPDX-License-Identifier: MIT
# tar.sh - tar and find, with what is packed under test read natively.
# needs: tar find
. "$TESTS/lib.inc"

mkdir -p tree/sub
cp $LICENSES/GPL-* tree
ln -s GPL-3 tree/link
ln tree/GPL-2 tree/hard
words 5000 >tree/sub/words
touch -d @1000000000 tree/sub/words
truncate -s 300000 tree/sub/hole
chmod 4750 tree/sub/hole

try tar cSf tree.tar --owner=0 --group=0 --mtime=@0 --sort=name tree
cksum tree.tar
try tar tvf tree.tar
mkdir under natively
try tar xpf tree.tar -C under
tar xpf tree.tar -C natively
diff -r --no-dereference under natively && echo same
diff -r --no-dereference under/tree tree && echo same
stat -c '%n %a %s %h %Y' under/tree/sub/* under/tree/hard
try tar df tree.tar
echo more >>tree/sub/words
try tar df tree.tar
try tar rf tree.tar --owner=0 --group=0 --mtime=@0 tree/sub/words
try tar tf tree.tar
head -c 70000 tree.tar >cut.tar
try tar tf cut.tar
try tar xf /nonexistent.tar

try find tree/sub -type f -size +10k
try find tree -samefile tree/hard -printf '%f %s %n\n' >found
sort found
try find natively -name 'GPL*' -newermt 1990-01-01 -prune >found
sort found
try find natively -depth -delete
try find natively
try find . -maxdepth 1 -type d -name u\* -empty
try find / -maxdepth 0 -nonsense
