# Writes OUTPUT: the pages under /docs as a table for api/docs.h. Swagger UI's files are there when npm has installed them
# (`./dev build` sees to it); without them the table is empty, and /docs says so.
set(ui ${PROJECT_SOURCE_DIR}/docs/ui)
set(swagger ${ui}/node_modules/swagger-ui-dist)
# file|name in the address|type (of text, in UTF-8)
set(DOCS_FILES
    "${ui}/page.html||text/html"
    "${ui}/page.css|page.css|text/css"
    "${ui}/page.js|page.js|text/javascript"
    "${swagger}/swagger-ui.css|swagger-ui.css|text/css"
    "${swagger}/swagger-ui-bundle.js|swagger-ui-bundle.js|text/javascript"
    "${swagger}/favicon-32x32.png|favicon-32x32.png|image/png"
    "${swagger}/LICENSE|LICENSE|text/plain"
    "${swagger}/NOTICE|NOTICE|text/plain"
    "${swagger}/swagger-ui-bundle.js.LICENSE.txt|swagger-ui-bundle.js.LICENSE.txt|text/plain")

# A build that finds them come or gone configures anew.
file(GLOB INSTALLED CONFIGURE_DEPENDS ${swagger}/swagger-ui-bundle.js)
set(data "")
set(rows "")
set(count 0)
if(INSTALLED)
    foreach(row IN LISTS DOCS_FILES)
        string(REGEX MATCH "^([^|]*)\\|([^|]*)\\|([^|]*)$" matched "${row}")
        set(file "${CMAKE_MATCH_1}")
        set(name "${CMAKE_MATCH_2}")
        set(type "${CMAKE_MATCH_3}")
        string(REGEX REPLACE "^text/.*" "\\0; charset=utf-8" type "${type}")
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
        list(APPEND DOCS_SOURCES ${file})
        file(SIZE ${file} size)
        file(SHA256 ${file} digest)
        string(SUBSTRING ${digest} 0 24 tag)
        # The assembler takes the bytes as they are: a C array of megabytes takes the compiler long.
        string(APPEND data "__asm__(\".section .rodata\\n.local docs_${count}\\ndocs_${count}: .incbin \\\"${file}\\\"\\n.previous\");\n"
                           "extern const char docs_${count}[] __attribute__((visibility(\"hidden\")));\n")
        string(APPEND rows "    {\"${name}\", \"${type}\", \"\\\"${tag}\\\"\", docs_${count}, ${size}},\n")
        math(EXPR count "${count} + 1")
    endforeach()
else()
    message(STATUS "Swagger UI is not installed in docs/ui: /docs will only say so")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#include \"api/docs.h\"

@data@
const struct docs_file docs_files[] = {
@rows@    {0},
};
" @ONLY)
set_source_files_properties(${OUTPUT} PROPERTIES OBJECT_DEPENDS "${DOCS_SOURCES}")
