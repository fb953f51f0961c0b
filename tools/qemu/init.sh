#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# init.sh - first process of the test machine: makes a root of the host's files.
#
# The host's root comes by virtiofs, never written to: an overlay in memory
# takes what the machine writes. The project's tree is an overlay of its own,
# since the host may change it while the machine runs. Only build/machine/out
# in it is the host's own directory. Anything that fails ends the machine.
set -e
export PATH=/bin
/bin/busybox mkdir -p /bin /proc /sys /dev /rw /root /tree /new
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
trap 'echo "init: failed; the machine stops"; poweroff -f' EXIT

# word NAME - what the kernel's command line says of machine.NAME.
word()
{
	sed -n "s/.*machine\.$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

while read -r module; do
	insmod "/modules/$module"
done </modules/order

mount -t virtiofs -o ro root /root
mount -t virtiofs tree /tree
mount -t tmpfs -o size=75%,mode=755 tmpfs /rw
mkdir /rw/root /rw/root-work /rw/tree /rw/tree-work

tree=$(word tree)
shell=$(word shell)
load=$(word load)
hostname machine
mount -t overlay -o lowerdir=/root,upperdir=/rw/root,workdir=/rw/root-work \
    overlay /new
mount -t tmpfs -o mode=1777 tmpfs /new/tmp
mount -t tmpfs -o mode=755 tmpfs /new/run
mkdir -p "/new$tree" /new/run/lock
mount -t overlay -o lowerdir=/tree,upperdir=/rw/tree,workdir=/rw/tree-work \
    overlay "/new$tree"
mount --bind /tree/build/machine/out "/new$tree/build/machine/out"

mount --move /proc /new/proc
mount --move /sys /new/sys
mount --move /dev /new/dev
cd /new
mkdir -p dev/pts dev/shm dev/hugepages dev/mqueue
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t hugetlbfs hugetlbfs dev/hugepages
mount -t mqueue mqueue dev/mqueue
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tracefs tracefs sys/kernel/tracing
ln -sf /proc/self/fd dev/fd
ln -sf /proc/self/fd/0 dev/stdin
ln -sf /proc/self/fd/1 dev/stdout
ln -sf /proc/self/fd/2 dev/stderr
ip link set lo up
if [ -n "$load" ]; then
	chroot /new /sbin/modprobe "$load"
	# As Debian's udev would; without the group root alone has it.
	if [ -e dev/kvm ] && chroot /new chgrp kvm /dev/kvm; then
		chmod 660 dev/kvm
	fi
fi
cp /agent run/machine-agent
trap - EXIT
exec switch_root -c /dev/console /new /run/machine-agent "$shell"
