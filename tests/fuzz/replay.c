/* Runs a fuzzer over files, and over the files of folders: for compilers that
 * have no libFuzzer, and for the corpus in the suite.
 *
 * usage: fuzz_NAME [-v] FILE|FOLDER...
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "input.h"

static bool verbose;
static unsigned files;

/* Uses memory of exactly this size, so that reading beyond it is found. */
static void replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size > 0 ? size : 1);
    CHECK(file && data);
    CHECK(fread(data, 1, size, file) == size);
    fclose(file);
    if (verbose)
        printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    files++;
}

static bool replay(const char *path);

static bool replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    bool good = dir != NULL;
    while (good && (entry = readdir(dir))) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            good = replay(path);
    }
    if (dir)
        closedir(dir);
    return good;
}

static bool replay(const char *path)
{
    struct stat about;
    if (stat(path, &about) < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    if (S_ISDIR(about.st_mode))
        return replay_folder(path);
    replay_file(path, (size_t)about.st_size);
    return true;
}

int main(int argc, char **argv)
{
    bool good = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else
            good = replay(argv[i]) && good;
    }
    printf("%u inputs\n", files);
    return good && files > 0 ? 0 : 1;
}
