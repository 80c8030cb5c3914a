/* The name of the calling thread, for the core under relacy: trial.h. Found by the include path. */
#ifndef CEDE_OS_THREAD_H
#define CEDE_OS_THREAD_H

#include <stdint.h>

uintptr_t trial_self(void);

static inline uintptr_t cede_os_thread(void)
{
    return trial_self();
}

#endif
