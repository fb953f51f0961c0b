/* SPDX-License-Identifier: MIT */
/*
 * request.c - options that say how an instance is to be.
 *
 * Shared by `azalea run` and by images that run themselves. No state.
 */
#include "cli/request.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "instance/entry.h"
#include "instance/registry.h"
#include "lib/env.h"
#include "lib/error.h"
#include "lib/name.h"
#include "plat/plat.h"

/* --- platform and offload --- */

/* The platform that the words name, 0 for auto; -1: none. */
static int plat_named(const char *name)
{
	static const char *const names[] = {
		[0] = "auto",
		[AZ_PLAT_PICO] = "pico",
		[AZ_PLAT_KVM] = "kvm",
		[AZ_PLAT_METAL] = "metal",
	};

	for (int i = 0; i <= AZ_PLAT_METAL; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -1;
}

int request_plat(const char *name, struct instance_config *cfg)
{
	const char *from = "--plat ", *why = "";
	int id;

	if (!name) {
		from = "AZALEA_PLAT=";
		name = env_get(environ, "AZALEA_PLAT");
	}
	if (!name || !*name)
		name = "auto";
	id = plat_named(name);
	if (id < 0)
		return error_fail(EXIT_AZALEA,
				  "%s%s: no such platform: auto, pico, kvm or "
				  "metal",
				  from, name);
	if (id == AZ_PLAT_KVM && plat_kvm.probe(&why))
		return error_fail(EXIT_AZALEA, "%s%s: %s", from, name, why);
	if (id == AZ_PLAT_METAL && plat_metal.probe(&why))
		return error_fail(EXIT_AZALEA, "%s%s: %s", from, name, why);
	cfg->plat = (uint32_t)id;
	return 0;
}

int request_offload(const char *how, struct instance_config *cfg)
{
	if (!how || strcmp(how, "auto") == 0)
		cfg->offload = AZ_OFFLOAD_AUTO;
	else if (strcmp(how, "ring") == 0)
		cfg->offload = AZ_OFFLOAD_RING;
	else if (strcmp(how, "direct") == 0)
		cfg->offload = AZ_OFFLOAD_DIRECT;
	else
		return error_fail(EXIT_AZALEA,
				  "--offload %s: no such way: auto, ring or "
				  "direct",
				  how);
	return 0;
}

/* --- the name --- */

void request_patch(bool off, struct instance_config *cfg)
{
	const char *value = env_get(environ, "AZALEA_PATCH");

	if (off || (value && strcmp(value, "0") == 0))
		cfg->flags |= AZ_BOOT_NOPATCH;
}

static int name_taken(const char *name)
{
	return error_fail(EXIT_AZALEA,
			  "--name %s: an instance has this name: stop it "
			  "(azalea stop %s) or take another",
			  name, name);
}

static int name_given(const char *name, struct instance_config *cfg)
{
	struct entry kept;

	if (!name_valid(name))
		return error_fail(EXIT_AZALEA,
				  "--name %s: not a name: a letter or digit, "
				  "then letters, digits, _ . -, %d at most",
				  name, NAME_MAX_BYTES - 1);
	cfg->name = name;
	cfg->control_fd = registry_listen(name);
	if (cfg->control_fd == -EADDRINUSE)
		return name_taken(name);
	if (entry_open(name, &kept) == 0) {
		entry_close(&kept);
		return error_fail(EXIT_AZALEA,
				  "--name %s: an instance of this name is "
				  "kept: azalea rm %s, or take another",
				  name, name);
	}
	return 0;
}

int request_name(const char *name, struct instance_config *cfg)
{
	static char made[NAME_MAX_BYTES];
	int tries, status = 0;

	if (name) {
		status = name_given(name, cfg);
	} else {
		/* Pids are unique but for those of other pid namespaces. */
		for (tries = 0; tries < 16; tries++) {
			name_generate(cfg->start_mono_ns + (unsigned int)tries,
				      (uint32_t)getpid(), made);
			cfg->control_fd = registry_listen(made);
			if (cfg->control_fd != -EADDRINUSE)
				break;
		}
		cfg->name = made;
	}
	if (!status && cfg->control_fd < 0)
		return error_fail(EXIT_AZALEA,
				  "%s: cannot enter it in the registry: %s",
				  cfg->name, error_text(cfg->control_fd));
	return status;
}
