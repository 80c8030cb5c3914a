/* What is asked of the system: how many descriptors this process has; whether a reset can look like
 * an orderly end, which no receive can tell then. */
#include "storm.h"

#if defined(_WIN32)

uint64_t storm_count_descriptors(void)
{
    DWORD count = 0;
    port_must(GetProcessHandleCount(GetCurrentProcess(), &count), "counting handles");
    return count;
}

/* Under Wine it may: see reset_is_no_news_later in ../conformance/wine.def. */
bool storm_tells_resets(void)
{
    HMODULE module = GetModuleHandleA("ntdll.dll");
    return !module || !GetProcAddress(module, "wine_get_version");
}

#else

#include <dirent.h>

uint64_t storm_count_descriptors(void)
{
    uint64_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    port_must(directory != NULL, "counting descriptors");
    while (readdir(directory))
        count++;
    (void)closedir(directory);
    return count;
}

bool storm_tells_resets(void)
{
    return true;
}

#endif
