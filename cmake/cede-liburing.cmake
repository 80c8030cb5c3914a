# Finds liburing and makes the target cede::liburing; used by the build and by the installed package.
# If it cannot be had, there is no target and CEDE_LIBURING_WHY says why.

find_path(CEDE_LIBURING_INCLUDE_DIR liburing.h)
find_library(CEDE_LIBURING_LIBRARY uring)
mark_as_advanced(CEDE_LIBURING_INCLUDE_DIR CEDE_LIBURING_LIBRARY)

set(CEDE_LIBURING_WHY "")
if(NOT CEDE_LIBURING_INCLUDE_DIR)
    set(CEDE_LIBURING_WHY "liburing.h was not found")
elseif(NOT CEDE_LIBURING_LIBRARY)
    set(CEDE_LIBURING_WHY "the library was not found")
else()
    # 2.3 has no version header; it is the first with this function.
    file(STRINGS "${CEDE_LIBURING_INCLUDE_DIR}/liburing.h" CEDE_LIBURING_MARK
        REGEX "io_uring_submit_and_get_events" LIMIT_COUNT 1)
    if(NOT CEDE_LIBURING_MARK)
        set(CEDE_LIBURING_WHY "the one in ${CEDE_LIBURING_INCLUDE_DIR} is too old")
    endif()
    unset(CEDE_LIBURING_MARK)
endif()

if(NOT CEDE_LIBURING_WHY AND NOT TARGET cede::liburing)
    # Global, because a parent project links what the static library needs in its own directory.
    add_library(cede::liburing UNKNOWN IMPORTED GLOBAL)
    set_target_properties(cede::liburing PROPERTIES
        IMPORTED_LOCATION "${CEDE_LIBURING_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${CEDE_LIBURING_INCLUDE_DIR}")
endif()
