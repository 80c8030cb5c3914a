# cmake -DFOLDER=... -P empty-folder.cmake: it is there, and empty.
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
