/*
 * The list of backends by platform: the one file of the core that names systems.
 */
#include "core.h"

#include <limits.h>
#include <string.h>

#if defined(__linux__)
extern const cede_backend cede_uring_backend;
#elif defined(_WIN32)
extern const cede_backend cede_win32_iocp_backend;
extern const cede_backend cede_win32_apc_backend;
#endif
extern const cede_backend cede_sim_backend;

/* In order of preference; sim is never chosen unasked. */
static const cede_backend *const backends[] = {
#if defined(__linux__)
    &cede_uring_backend,
#elif defined(_WIN32)
    &cede_win32_iocp_backend,
    &cede_win32_apc_backend,
#endif
    &cede_sim_backend,
};

const cede_backend *cedi_backend_by_name(const char *name)
{
    size_t count = sizeof backends / sizeof *backends;
    if (!name)
        return count > 1 ? backends[0] : NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    }
    return NULL;
}

const cede_backend *cedi_backend_native(void)
{
    return backends[0];
}

bool cedi_backend_native_has(intptr_t native)
{
#if defined(_WIN32)
    return native >= 0;
#else
    return native >= 0 && native <= INT_MAX;
#endif
}
