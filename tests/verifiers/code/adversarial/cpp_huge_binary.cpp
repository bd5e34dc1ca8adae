// expect: undecided, refuted
// mode: cpp

static char a[1u << 31] = {1};
int main() { return a[5]; }
