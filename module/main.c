// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * main.c - azalea.ko: /dev/azalea, and who may ask for what there.
 *
 * Anybody may open it: an instance can name no memory but its creator's, and
 * no CPU but one that the administrator reserved for him. What changes that is
 * for CAP_SYS_ADMIN. Arguments are copied once and checked before use.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "azm.h"
#include "compat.h"

union azm_arg {
	struct azm_create create;
	struct azm_start start;
	struct azm_run run;
	struct azm_reserve reserve;
	struct azm_info info;
	struct azm_memory memory;
};

/* One instance a file: private_data, set once. */
static long do_create(struct file *file, const struct azm_create *arg)
{
	struct azm_instance *inst;

	if (READ_ONCE(file->private_data))
		return -EEXIST;
	inst = azm_instance_create(arg);
	if (IS_ERR(inst))
		return PTR_ERR(inst);
	if (cmpxchg(&file->private_data, NULL, inst)) {
		azm_instance_free(inst);
		return -EEXIST;
	}
	return 0;
}

static long do_admin(unsigned int cmd, union azm_arg *arg)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	switch (cmd) {
	case AZM_RESERVE:
		return azm_cpu_reserve(&arg->reserve);
	case AZM_RELEASE:
		return azm_cpu_release(arg->reserve.cpu);
	default:
		return azm_memory(&arg->memory);
	}
}

/* Only for the memory that it was created in: not a child's, nor after exec. */
static long do_instance(struct file *file, unsigned int cmd, union azm_arg *arg,
			unsigned long core)
{
	struct azm_instance *inst = READ_ONCE(file->private_data);

	if (!inst)
		return -EBADFD;
	if (inst->mm != current->mm)
		return -EIO;
	switch (cmd) {
	case AZM_START:
		return azm_instance_start(inst, &arg->start);
	case AZM_RUN:
		return azm_run(inst, &arg->run);
	default:
		return azm_instance_kick(inst, core);
	}
}

static long dispatch(struct file *file, unsigned int cmd, union azm_arg *arg,
		     unsigned long value)
{
	switch (cmd) {
	case AZM_CREATE:
		return do_create(file, &arg->create);
	case AZM_RESERVE:
	case AZM_RELEASE:
	case AZM_MEMORY:
		return do_admin(cmd, arg);
	case AZM_INFO:
		return azm_cpu_info(&arg->info);
	case AZM_START:
	case AZM_RUN:
	case AZM_KICK:
		return do_instance(file, cmd, arg, value);
	default:
		return -ENOTTY;
	}
}

static long azm_ioctl(struct file *file, unsigned int cmd, unsigned long value)
{
	const size_t size = _IOC_SIZE(cmd);
	union azm_arg arg;
	long err;

	if (size > sizeof(arg))
		return -ENOTTY;
	memset(&arg, 0, sizeof(arg));
	if (copy_from_user(&arg, (void __user *)value, size))
		return -EFAULT;
	err = dispatch(file, cmd, &arg, value);
	if (!err && copy_to_user((void __user *)value, &arg, size))
		err = -EFAULT;
	return err;
}

static int azm_release(struct inode *inode, struct file *file)
{
	if (file->private_data)
		azm_instance_free(file->private_data);
	return 0;
}

static int azm_open(struct inode *inode, struct file *file)
{
	file->private_data = NULL; /* misc_open has the device there */
	return 0;
}

static const struct file_operations azm_fops = {
	.owner = THIS_MODULE,
	.open = azm_open,
	.release = azm_release,
	.unlocked_ioctl = azm_ioctl,
};

static struct miscdevice azm_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "azalea",
	.fops = &azm_fops,
	.mode = 0666,
};

static int __init azm_init(void)
{
	int err = azm_compat_init();

	if (err)
		return err;
	err = azm_map_init();
	if (err)
		return err;
	err = azm_memory_init();
	if (err)
		goto out_map;
	err = azm_guard_init();
	if (err)
		goto out_memory;
	err = azm_cpus_init();
	if (err)
		goto out_guard;
	err = misc_register(&azm_device);
	if (err)
		goto out_cpus;
	return 0;
out_cpus:
	azm_cpus_exit();
out_guard:
	azm_guard_exit();
out_memory:
	azm_memory_exit();
out_map:
	azm_map_exit();
	return err;
}

static void __exit azm_exit(void)
{
	misc_deregister(&azm_device);
	azm_cpus_exit();
	azm_guard_exit();
	azm_memory_exit();
	azm_map_exit();
}

module_init(azm_init);
module_exit(azm_exit);

MODULE_DESCRIPTION("Azalea: CPUs of a running Linux for unikernels");
MODULE_AUTHOR("The Azalea authors");
MODULE_LICENSE("Dual MIT/GPL");
