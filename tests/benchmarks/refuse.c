/* A disk that refuses: preloaded before the C library, it has the n-th write below some folders
 * fail, or that and all that follow.
 *
 * Takes from the environment REFUSE_UNDER (folders, by colons), REFUSE_COUNT (a file of 8 bytes,
 * which all processes count in), REFUSE_LOG (a line for each write, by tabs: number, call, path, and
 * of a rename the old path), REFUSE_AT (which is refused; 0: none), REFUSE_ON (1: and those after it), and REFUSE_ERRNO.
 * A write(2) that is the first to be refused leaves half of its bytes, as a disk that just became
 * full does. A disk that is full refuses nothing that takes no room (unlink, rmdir, chmod); one
 * that cannot be written refuses them too.
 */
/* The names with 64 are those a Python of 64 bits calls, and are not to be made one with others. */
#undef _FILE_OFFSET_BITS
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static long *counter;
static long at;
static int on, number = ENOSPC, ready;

static void begin(void) {
    const char *path = ready ? NULL : getenv("REFUSE_COUNT");
    if (!path || !getenv("REFUSE_UNDER") || !getenv("REFUSE_LOG")) return;
    ready = 1;
    int file = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (file < 0) return;
    void *found = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (found == MAP_FAILED) return;
    at = atol(getenv("REFUSE_AT") ? getenv("REFUSE_AT") : "0");
    on = getenv("REFUSE_ON") && *getenv("REFUSE_ON") == '1';
    number = getenv("REFUSE_ERRNO") ? atoi(getenv("REFUSE_ERRNO")) : ENOSPC;
    counter = found;
}

static int is_under(const char *path) {
    const char *folders = getenv("REFUSE_UNDER");
    while (folders && *folders) {
        size_t n = strcspn(folders, ":");
        if (!strncmp(path, folders, n) && (path[n] == '/' || !path[n])) return 1;
        folders += n + (folders[n] == ':');
    }
    return 0;
}

/* The absolute path of a name in a folder that is open, or of what is open where none is given. */
static int whole(char *found, int folder, const char *name) {
    char link[64];
    ssize_t n = 0;
    if (name && *name == '/') return snprintf(found, PATH_MAX, "%s", name) > 0;
    if (folder == AT_FDCWD) {
        if (syscall(SYS_getcwd, found, PATH_MAX) < 0) return 0;
        n = strlen(found);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        n = syscall(SYS_readlinkat, AT_FDCWD, link, found, PATH_MAX - 1);
        if (n < 0) return 0;
        found[n] = 0;
    }
    if (name) snprintf(found + n, PATH_MAX - n, "/%s", name);
    return 1;
}

/* 0 where a call may be made, 1 where it is the first that may not, 2 after it. */
static int refused(const char *call, int folder, const char *name, const char *old) {
    char path[2 * PATH_MAX], from[2 * PATH_MAX] = "", line[5 * PATH_MAX];
    int kept = errno;
    begin();
    if (!counter || !whole(path, folder, name) || !is_under(path)) {
        errno = kept;
        return 0;
    }
    long n = __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
    if (old) whole(from, AT_FDCWD, old);
    int size = snprintf(line, sizeof line, "%ld\t%s\t%s\t%s\n", n, call, path, from);
    int log = syscall(SYS_openat, AT_FDCWD, getenv("REFUSE_LOG"),
                      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (log >= 0) {
        syscall(SYS_write, log, line, size);
        syscall(SYS_close, log);
    }
    if (at && (n == at || (on && n > at))) {
        errno = number;
        return n == at ? 1 : 2;
    }
    errno = kept;
    return 0;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name)
#define FIXED (begin(), number == EROFS)

static int opens_new(int folder, const char *path, int flags) {
    if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT)) return 0;
    return FIXED || ((flags & O_CREAT) && syscall(SYS_faccessat, folder, path, F_OK));
}

#define OPEN(name, folder, params, pass)                                                          \
    int name params {                                                                             \
        va_list rest;                                                                             \
        va_start(rest, flags);                                                                    \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;                 \
        va_end(rest);                                                                             \
        REAL(name);                                                                               \
        if (opens_new(folder, path, flags) && refused("open", folder, path, NULL)) return -1;           \
        return real pass;                                                                         \
    }
OPEN(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, folder, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPEN(openat64, folder, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))

FILE *fopen(const char *path, const char *mode) {
    REAL(fopen);
    if (strpbrk(mode, "wa+") && refused("open", AT_FDCWD, path, NULL)) return NULL;
    return real(path, mode);
}
FILE *fopen64(const char *path, const char *mode) {
    REAL(fopen64);
    if (strpbrk(mode, "wa+") && refused("open", AT_FDCWD, path, NULL)) return NULL;
    return real(path, mode);
}

ssize_t write(int file, const void *bytes, size_t n) {
    REAL(write);
    int how = refused("write", file, NULL, NULL);
    if (how == 1 && n > 1) {
        real(file, bytes, n / 2);
        errno = number;
    }
    return how ? -1 : real(file, bytes, n);
}
ssize_t pwrite64(int file, const void *bytes, size_t n, off64_t place) {
    REAL(pwrite64);
    return refused("write", file, NULL, NULL) ? -1 : real(file, bytes, n, place);
}
ssize_t writev(int file, const struct iovec *parts, int n) {
    REAL(writev);
    return refused("write", file, NULL, NULL) ? -1 : real(file, parts, n);
}
size_t fwrite(const void *bytes, size_t size, size_t n, FILE *file) {
    REAL(fwrite);
    return refused("write", fileno(file), NULL, NULL) ? 0 : real(bytes, size, n, file);
}
ssize_t sendfile64(int to, int from, off64_t *place, size_t n) {
    static ssize_t (*real)(int, int, off64_t *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "sendfile64");
    return refused("write", to, NULL, NULL) ? -1 : real(to, from, place, n);
}
int ftruncate64(int file, off64_t n) {
    REAL(ftruncate64);
    return refused("truncate", file, NULL, NULL) ? -1 : real(file, n);
}
int posix_fallocate64(int file, off64_t place, off64_t n) {
    REAL(posix_fallocate64);
    return refused("allocate", file, NULL, NULL) ? number : real(file, place, n);
}
int fsync(int file) {
    REAL(fsync);
    return refused("flush", file, NULL, NULL) ? -1 : real(file);
}
int fdatasync(int file) {
    REAL(fdatasync);
    return refused("flush", file, NULL, NULL) ? -1 : real(file);
}
int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    if (syscall(SYS_faccessat, AT_FDCWD, path, F_OK) && refused("mkdir", AT_FDCWD, path, NULL)) return -1;
    return real(path, mode);
}
int rename(const char *from, const char *to) {
    REAL(rename);
    return refused("rename", AT_FDCWD, to, from) ? -1 : real(from, to);
}
int unlink(const char *path) {
    REAL(unlink);
    return FIXED && refused("unlink", AT_FDCWD, path, NULL) ? -1 : real(path);
}
int unlinkat(int folder, const char *path, int flags) {
    REAL(unlinkat);
    return FIXED && refused("unlink", folder, path, NULL) ? -1 : real(folder, path, flags);
}
int rmdir(const char *path) {
    REAL(rmdir);
    return FIXED && refused("unlink", AT_FDCWD, path, NULL) ? -1 : real(path);
}
int chmod(const char *path, mode_t mode) {
    REAL(chmod);
    return FIXED && refused("chmod", AT_FDCWD, path, NULL) ? -1 : real(path, mode);
}
