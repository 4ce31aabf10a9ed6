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

# Text also goes in compressed, once and for all.
function(embed_docs file symbol ret_code ret_size)
    file(SIZE ${file} size)
    # The assembler takes the bytes as they are: a C array of megabytes takes the compiler long.
    set(${ret_code} "__asm__(\".section .rodata\\n.local ${symbol}\\n${symbol}: .incbin \\\"${file}\\\"\\n.previous\");\n\
extern const char ${symbol}[] __attribute__((visibility(\"hidden\")));\n" PARENT_SCOPE)
    set(${ret_size} ${size} PARENT_SCOPE)
endfunction()

if(INSTALLED)
    foreach(row IN LISTS DOCS_FILES)
        string(REGEX MATCH "^([^|]*)\\|([^|]*)\\|([^|]*)$" matched "${row}")
        set(file "${CMAKE_MATCH_1}")
        set(name "${CMAKE_MATCH_2}")
        set(type "${CMAKE_MATCH_3}")
        string(REGEX REPLACE "^text/.*" "\\0; charset=utf-8" type "${type}")
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
        list(APPEND DOCS_SOURCES ${file})
        file(SHA256 ${file} digest)
        string(SUBSTRING ${digest} 0 24 tag)
        embed_docs(${file} docs_${count} code size)
        string(APPEND data "${code}")
        set(gzip "NULL, 0")
        if(type MATCHES "^text/")
            execute_process(COMMAND gzip --best --no-name --stdout INPUT_FILE ${file}
                            OUTPUT_FILE ${OUTPUT}.${count}.gz COMMAND_ERROR_IS_FATAL ANY)
            embed_docs(${OUTPUT}.${count}.gz docs_gzip_${count} code gzip_size)
            string(APPEND data "${code}")
            set(gzip "docs_gzip_${count}, ${gzip_size}")
        endif()
        string(APPEND rows "    {\"${name}\", \"${type}\", \"\\\"${tag}\\\"\", docs_${count}, ${size}, ${gzip}},\n")
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
