/*
 * Ends the process where SoftHSM2 empties a file for the n-th time, in order to write it anew; n
 * stands in TRUNCATES. Loaded before everything else (LD_PRELOAD), for tests.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int ftruncate(int file, off_t length) {
  static int count;
  const char *last = getenv("TRUNCATES");
  if (last != NULL && ++count >= atoi(last)) raise(SIGKILL);
  return (int)syscall(SYS_ftruncate, file, length);
}

int ftruncate64(int file, off64_t length) {
  return ftruncate(file, length);
}
