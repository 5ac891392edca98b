/* SPDX-License-Identifier: Apache-2.0
 * Preloaded (LD_PRELOAD) into a process: writes a line to the file SYNCS_LOG for every write to the region store's
 * write-ahead log, and for every fsync(2) or fdatasync(2) of it, of the store, or of a directory.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(const char *what, int fd)
{
    char link[64], path[PATH_MAX], line[PATH_MAX + 32];
    const char *log = getenv("SYNCS_LOG"), *name;
    ssize_t size;
    int file;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof path - 1);
    if (!log || size < 0)
        return;
    path[size] = 0;
    name = strrchr(path, '/');
    name = name ? name + 1 : path;
    if (!strcmp(what, "write") && strcmp(name, "regions.sqlite-wal"))
        return;
    file = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    size = snprintf(line, sizeof line, "%s %s\n", what, name);
    if (write(file, line, size) != size)
        abort();
    close(file);
}

#define REAL(name, ...) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

ssize_t pwrite64(int fd, const void *buffer, size_t size, off64_t at)
{
    note("write", fd);
    return REAL(pwrite64, fd, buffer, size, at);
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t at)
{
    note("write", fd);
    return REAL(pwrite, fd, buffer, size, at);
}

int fsync(int fd)
{
    int result = REAL(fsync, fd);

    note("sync", fd);
    return result;
}

int fdatasync(int fd)
{
    int result = REAL(fdatasync, fd);

    note("sync", fd);
    return result;
}
