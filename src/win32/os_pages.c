/*
 * The pages of src/core/os.h on Windows, in checked builds.
 *
 * The handler is a vectored one and only looks: the search for one that handles the exception goes
 * on, and where there is none the process ends at the access, as it would have, and a debugger
 * shows that line.
 */
#include "../core/os.h"

#ifdef CEDI_CHECKED

#include <windows.h>

size_t cede_os_page_bytes(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

void *cede_os_pages_reserve(size_t bytes)
{
    return VirtualAlloc(NULL, bytes, MEM_RESERVE, PAGE_NOACCESS);
}

bool cede_os_pages_commit(void *memory, size_t bytes)
{
    return VirtualAlloc(memory, bytes, MEM_COMMIT, PAGE_READWRITE) != NULL;
}

void cede_os_pages_decommit(void *memory, size_t bytes)
{
    (void)VirtualFree(memory, bytes, MEM_DECOMMIT);
}

bool cede_os_pages_protect(void *memory, size_t bytes, int access)
{
    static const DWORD protections[] = {PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE};
    DWORD before;
    return VirtualProtect(memory, bytes, protections[access], &before) != 0;
}

static void (*fault)(uintptr_t);

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *exception)
{
    const EXCEPTION_RECORD *record = exception->ExceptionRecord;
    if (record->ExceptionCode == EXCEPTION_ACCESS_VIOLATION && record->NumberParameters >= 2)
        fault((uintptr_t)record->ExceptionInformation[1]);
    return EXCEPTION_CONTINUE_SEARCH;
}

void cede_os_on_fault(void (*fn)(uintptr_t address))
{
    fault = fn;
    (void)AddVectoredExceptionHandler(1, on_exception);
}

#endif
