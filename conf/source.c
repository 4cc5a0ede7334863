/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.c - files into one text.
 *
 * The scanner knows just enough of the format to tell an @include from one in a comment or in a
 * string: both may go over several lines.
 */
#include "conf/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/conf.h"

enum where { IN_CODE, IN_STRING, IN_LINE_COMMENT, IN_BLOCK_COMMENT };

struct scan {
    struct source *source;
    struct faults *faults;
    const char *dir; /* of the file, with its last slash; NULL = files may not be included */
    size_t file;     /* index of its name */
    int depth;
    int line;
    enum where where;
};

static int add_file(struct source *source, const char *path, int depth, struct faults *faults,
                    const char *by, int by_line);

/* --- the parts of the text ------------------------------------------------------------------- */

static int reserve(struct source *source, size_t more)
{
    size_t need = source->len + more + 1;
    size_t room = MAX(source->room, 4096);

    if (source->len + more > CONF_FILE_MAX) {
        return ERR_LIMIT;
    }
    while (room < need) {
        room *= 2;
    }
    if (room > source->room) {
        char *text = mem_try_grow(MEM_CONF, source->text, room);

        if (text == NULL) {
            return ERR_MEMORY;
        }
        source->text = text;
        source->room = room;
    }
    return 0;
}

static int put(struct source *source, const char *data, size_t n)
{
    int rc = reserve(source, n);

    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        source->lines += data[i] == '\n' ? 1 : 0;
    }
    memcpy(source->text + source->len, data, n);
    source->len += n;
    source->text[source->len] = '\0';
    return 0;
}

static void begin_part(struct source *source, size_t file, int file_line)
{
    struct source_part *parts;

    /* Each included file adds two, so this is bounded by SOURCE_FILES_MAX. */
    parts = mem_new(MEM_CONF, (source->n_parts + 1) * sizeof(*parts));
    if (source->n_parts > 0) {
        memcpy(parts, source->parts, source->n_parts * sizeof(*parts));
    }
    mem_free(MEM_CONF, source->parts);
    source->parts = parts;
    parts[source->n_parts++] = (struct source_part){source->lines + 1, file_line, file};
}

static size_t add_name(struct source *source, const char *name)
{
    char **files;

    for (size_t i = 0; i < source->n_files; i++) {
        if (strcmp(source->files[i], name) == 0) {
            return i;
        }
    }
    files = mem_new(MEM_CONF, (source->n_files + 1) * sizeof(*files));
    if (source->n_files > 0) {
        memcpy(files, source->files, source->n_files * sizeof(*files));
    }
    mem_free(MEM_CONF, source->files);
    source->files = files;
    files[source->n_files] = mem_copy(MEM_CONF, slice_of(name));
    return source->n_files++;
}

const char *source_place(const struct source *source, int line, int *file_line)
{
    const struct source_part *best = NULL;

    for (size_t i = 0; i < source->n_parts && source->parts[i].line <= line; i++) {
        best = &source->parts[i];
    }
    if (best == NULL) {
        *file_line = 0;
        return source->n_files > 0 ? source->files[0] : "";
    }
    *file_line = best->file_line + (line - best->line);
    return source->files[best->file];
}

void source_fini(struct source *source)
{
    for (size_t i = 0; source->files != NULL && i < source->n_files; i++) {
        mem_free(MEM_CONF, source->files[i]);
    }
    mem_free(MEM_CONF, source->files);
    mem_free(MEM_CONF, source->parts);
    mem_free(MEM_CONF, source->text);
    *source = (struct source){0};
}

/* --- finding @include ------------------------------------------------------------------------ */

static enum where after(enum where where, const char *at, const char *end, size_t *taken)
{
    char next = at + 1 < end ? at[1] : '\0';

    *taken = 1;
    switch (where) {
    case IN_CODE:
        if (*at == '"') {
            return IN_STRING;
        }
        if (*at == '#' || (*at == '/' && next == '/')) {
            return IN_LINE_COMMENT;
        }
        if (*at == '/' && next == '*') {
            *taken = 2;
            return IN_BLOCK_COMMENT;
        }
        return IN_CODE;
    case IN_STRING:
        *taken = *at == '\\' && next != '\0' && next != '\n' ? 2 : 1;
        return *at == '"' ? IN_CODE : IN_STRING;
    case IN_LINE_COMMENT: return IN_LINE_COMMENT; /* the end of the line ends it */
    case IN_BLOCK_COMMENT:
        if (*at == '*' && next == '/') {
            *taken = 2;
            return IN_CODE;
        }
        return IN_BLOCK_COMMENT;
    }
    UNREACHABLE();
}

static void skip_line(struct scan *scan, const char *at, const char *end)
{
    while (at < end) {
        size_t taken;

        scan->where = after(scan->where, at, end, &taken);
        at += taken;
    }
    if (scan->where == IN_LINE_COMMENT) {
        scan->where = IN_CODE;
    }
}

/* The path of `@include "path"` in the line; rest is what comes behind it. */
static bool is_include(const char *at, const char *end, struct slice *path, const char **rest)
{
    static const char word[] = "@include";
    const char *close;

    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    if ((size_t)(end - at) < sizeof(word) || memcmp(at, word, sizeof(word) - 1) != 0) {
        return false;
    }
    at += sizeof(word) - 1;
    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    if (at == end || *at != '"') {
        return false;
    }
    close = memchr(at + 1, '"', (size_t)(end - at - 1));
    if (close == NULL) {
        return false;
    }
    *path = (struct slice){at + 1, (size_t)(close - at - 1)};
    *rest = close + 1;
    return true;
}

static int include(struct scan *scan, struct slice path)
{
    const char *by = scan->source->files[scan->file];
    char full[4096];
    int n;

    if (scan->dir == NULL) {
        fault_error(scan->faults, by, scan->line, "@include: files cannot be included here");
        return ERR_CONFIG;
    }
    n = snprintf(full, sizeof(full), "%s%.*s", path.len > 0 && path.data[0] == '/' ? "" : scan->dir,
                 SLICE_ARGS(path));
    if (path.len == 0 || n < 0 || (size_t)n >= sizeof(full)) {
        fault_error(scan->faults, by, scan->line, "@include: the path is empty or too long");
        return ERR_CONFIG;
    }
    return add_file(scan->source, full, scan->depth + 1, scan->faults, by, scan->line);
}

static int too_much(struct scan *scan, int rc)
{
    fault_error(scan->faults, scan->source->files[scan->file], scan->line,
                rc == ERR_LIMIT ? "the configuration is larger than 64 MiB" : "out of memory");
    return ERR_CONFIG;
}

static int scan_line(struct scan *scan, const char *at, const char *end)
{
    struct slice path;
    const char *rest;
    int rc;

    if (scan->where == IN_CODE && is_include(at, end, &path, &rest)) {
        rc = include(scan, path);
        if (rc != 0) {
            return rc;
        }
        begin_part(scan->source, scan->file, scan->line);
        at = rest;
    }
    rc = put(scan->source, at, (size_t)(end - at));
    if (rc == 0) {
        rc = put(scan->source, "\n", 1);
    }
    skip_line(scan, at, end);
    return rc == 0 ? 0 : too_much(scan, rc);
}

static int scan_text(struct scan *scan, struct slice text)
{
    const char *at = text.data;
    const char *end = text.data + text.len;

    if (text.len > 0 && memchr(at, '\0', text.len) != NULL) {
        fault_error(scan->faults, scan->source->files[scan->file], 0,
                    "has a zero byte: this is not a text file");
        return ERR_CONFIG;
    }
    begin_part(scan->source, scan->file, 1);
    for (scan->line = 1; at < end; scan->line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline == NULL ? end : newline;
        int rc = scan_line(scan, at, stop);

        if (rc != 0) {
            return rc;
        }
        at = stop + 1;
    }
    return 0;
}

/* --- files ----------------------------------------------------------------------------------- */

static int read_all(int fd, size_t size, char *out)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = read(fd, out + done, size - done);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return ERR_FILE; /* shorter than it was a moment ago: somebody is writing it */
        }
        done += (size_t)n;
    }
    return 0;
}

/* Returns 0 and the whole file in *out (owned by the caller), or why not in *why. */
static int read_file(const char *path, struct slice *out, const char **why)
{
    struct stat st;
    char *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int rc = ERR_FILE;

    if (fd < 0 || fstat(fd, &st) != 0) {
        *why = err_text(-errno);
    } else if (!S_ISREG(st.st_mode)) {
        *why = "it is not a regular file";
    } else if (st.st_size < 0 || (uint64_t)st.st_size > CONF_FILE_MAX) {
        *why = "it is larger than 64 MiB";
    } else if ((text = mem_try(MEM_CONF, (size_t)st.st_size + 1)) == NULL) {
        *why = "out of memory";
    } else {
        rc = read_all(fd, (size_t)st.st_size, text);
        *why = "it could not be read to its end";
        *out = (struct slice){text, (size_t)st.st_size};
    }
    if (rc != 0) {
        mem_free(MEM_CONF, text);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return rc;
}

static int add_file(struct source *source, const char *path, int depth, struct faults *faults,
                    const char *by, int by_line)
{
    struct scan scan = {.source = source, .faults = faults, .depth = depth};
    struct slice text = {NULL, 0};
    const char *why = "";
    const char *slash = strrchr(path, '/');
    char *dir;
    int rc;

    if (depth > SOURCE_DEPTH_MAX || ++source->n_read > SOURCE_FILES_MAX) {
        fault_error(faults, by, by_line, "@include \"%s\": files include each other too often",
                    path);
        return ERR_CONFIG;
    }
    rc = read_file(path, &text, &why);
    if (rc != 0) {
        fault_error(faults, by, by_line, "cannot read \"%s\": %s", path, why);
        return rc;
    }
    dir = mem_copy(MEM_CONF, (struct slice){path, slash == NULL ? 0 : (size_t)(slash + 1 - path)});
    scan.dir = dir;
    scan.file = add_name(source, path);
    rc = scan_text(&scan, text);
    mem_free(MEM_CONF, dir);
    mem_free(MEM_CONF, (char *)(uintptr_t)text.data);
    return rc;
}

int source_read(struct source *source, const char *path, struct faults *faults)
{
    int rc = put(source, "", 0);

    if (rc != 0) {
        fault_error(faults, path, 0, "out of memory");
        return rc;
    }
    return add_file(source, path, 1, faults, path, 0);
}

int source_take_text(struct source *source, const char *name, struct slice text,
                     struct faults *faults)
{
    struct scan scan = {.source = source, .faults = faults, .file = add_name(source, name)};
    int rc = put(source, "", 0);

    if (rc != 0) {
        return too_much(&scan, rc);
    }
    return scan_text(&scan, text);
}
