# Install rules: headers, the library, the CMake package and the pkg-config file; and, if the tests
# are built, the conformance suite for those who write a backend.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cede)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/cede DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h" PATTERN "ops.def")

set(installed cede)
if(TARGET cede_conformance)
    list(APPEND installed cede_conformance cede-conformance)
    install(FILES
        ${PROJECT_SOURCE_DIR}/tests/conformance/conformance.h
        ${PROJECT_SOURCE_DIR}/tests/conformance/cases.def
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cede/conformance)
endif()
install(TARGETS ${installed} EXPORT cede-targets
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT cede-targets NAMESPACE cede:: DESTINATION ${package_dir})

# find_package. Before 1.0 a minor version may change the interface.
set(compatibility SameMajorVersion)
if(cede_VERSION_MAJOR EQUAL 0)
    set(compatibility SameMinorVersion)
endif()
set(CEDE_NEEDS_LIBURING FALSE)
if(TARGET cede::liburing)
    # A shared library carries its dependency itself.
    get_target_property(type cede TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
        set(CEDE_NEEDS_LIBURING TRUE)
    endif()
    install(FILES ${PROJECT_SOURCE_DIR}/cmake/cede-liburing.cmake DESTINATION ${package_dir})
endif()
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/cede-config.cmake.in
    ${PROJECT_BINARY_DIR}/cede-config.cmake INSTALL_DESTINATION ${package_dir}
    NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cede-config-version.cmake
    VERSION ${cede_VERSION} COMPATIBILITY ${compatibility})
install(FILES
    ${PROJECT_BINARY_DIR}/cede-config.cmake
    ${PROJECT_BINARY_DIR}/cede-config-version.cmake
    DESTINATION ${package_dir})

# pkg-config. The prefix is found from where the file lies, so that the tree may be moved.
set(PC_LIBDIR ${CMAKE_INSTALL_LIBDIR})
set(PC_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(PC_PREFIX ${CMAKE_INSTALL_PREFIX})
else()
    file(RELATIVE_PATH up "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(PC_PREFIX "\${pcfiledir}/${up}")
    set(PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
set(PC_REQUIRES "")
set(PC_SYSTEM "")
if(WIN32)
    set(PC_SYSTEM "-lws2_32")
endif()
if(TARGET cede::liburing)
    set(PC_REQUIRES "liburing >= 2.3")
    set(PC_SYSTEM "-pthread")
endif()
get_target_property(type cede TYPE)
if(type STREQUAL "SHARED_LIBRARY")
    set(PC_CFLAGS " -DCEDE_SHARED")
    set(PC_PRIVATE ".private")
    set(PC_LIBS "")
    set(PC_LIBS_PRIVATE ${PC_SYSTEM})
else()
    # With nothing but a static library there, every link needs what it needs, --static or not.
    set(PC_CFLAGS "")
    set(PC_PRIVATE "")
    set(PC_LIBS " ${PC_SYSTEM}")
    set(PC_LIBS_PRIVATE "")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/cede.pc.in ${PROJECT_BINARY_DIR}/cede.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cede.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
