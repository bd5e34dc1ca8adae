// problem: cpp

#include <cstdio>
int depth(int n) { volatile char pad[64]; pad[0] = n; return n == 0 ? 0 : 1 + depth(n - 1) + 0 * pad[0]; }
int main() { int a, b; if (scanf("%d %d", &a, &b) != 2 || depth(500000) != 500000) return 1; printf("%d\n", a + b); }
