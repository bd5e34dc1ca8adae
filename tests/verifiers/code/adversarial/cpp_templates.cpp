// expect: undecided, refuted
// mode: cpp

template <int N> struct F { typedef typename F<N - 1>::T A; typedef typename F<N - 2>::T B; struct T { A a; B b; }; };
template <> struct F<0> { struct T { int x; }; };
template <> struct F<1> { struct T { int x; }; };
template <int N, int M> struct G { static constexpr long v = G<N - 1, M>::v + G<N - 1, M + 1>::v; };
template <int M> struct G<0, M> { static constexpr long v = M; };
int main() { return sizeof(F<40>::T) + G<800, 0>::v; }
