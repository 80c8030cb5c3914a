/* cede-conformance: the suite, on the library's own backends. */
#include "conformance.h"

int main(int argc, char **argv)
{
    static const cft_world *const worlds[] = {
#ifdef CFT_HAS_IO_URING
        &cft_world_io_uring,
#endif
#ifdef CFT_HAS_WIN32_IOCP
        &cft_world_win32_iocp,
#endif
#ifdef CFT_HAS_WIN32_APC
        &cft_world_win32_apc,
#endif
#ifdef CFT_HAS_SIM
        &cft_world_sim,
#endif
        NULL};
    return cft_main(argc, argv, worlds);
}
