/*
 * How long C_Initialize takes: `initialize MODULE [DATA]`.
 *
 * Prints the microseconds of the first one in this process, and the processor time in microseconds
 * that the process of the data directory has had by then, or 0.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Of all threads of the process; where the kernel tells it. */
static double processor(const char *data)
{
    char path[4096], name[8192];
    int id = 0;
    double sum = 0;
    snprintf(path, sizeof path, "%s/claviger.pid", data);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%d", &id) != 1)
        id = 0;
    fclose(file);
    snprintf(path, sizeof path, "/proc/%d/task", id);
    DIR *tasks = id == 0 ? NULL : opendir(path);
    if (tasks == NULL)
        return 0;
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        double nanoseconds = 0;
        snprintf(name, sizeof name, "%s/%s/schedstat", path, task->d_name);
        file = task->d_name[0] == '.' ? NULL : fopen(name, "r");
        if (file == NULL)
            continue;
        if (fscanf(file, "%lf", &nanoseconds) == 1)
            sum += nanoseconds / 1e3;
        fclose(file);
    }
    closedir(tasks);
    return sum;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    void *module = dlopen(argv[1], RTLD_NOW);
    if (module == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    unsigned long (*initialize)(void *) = (unsigned long (*)(void *))dlsym(module, "C_Initialize");
    unsigned long (*finalize)(void *) = (unsigned long (*)(void *))dlsym(module, "C_Finalize");
    const double began = now();
    const unsigned long rv = initialize(NULL);
    const double took = now() - began;
    const double used = argc > 2 ? processor(argv[2]) : 0;
    if (rv != 0) {
        fprintf(stderr, "C_Initialize: 0x%lx\n", rv);
        return 1;
    }
    printf("%.0f %.0f\n", took, used);
    return finalize(NULL) != 0;
}
