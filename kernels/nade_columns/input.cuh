// What an observed value adds to a: f(x_i) W_r(x_i), of kernels/nade_columns/__init__.py.
//
// Included after columns.cuh.

constexpr int NO_ROW = -1;  // of W: x_i leaves a as it is

// How many rows of W a variable of K values has.
__device__ __forceinline__ int rows_of(int K) { return K == REAL_VALUES ? 1 : K - 1; }

struct Input {
    int row;
    REAL times;

    // Of a variable of K values whose rows of W begin at `first`.
    __device__ __forceinline__ Input(int K, Value x, int first)
        : row(x == Value(0) ? NO_ROW : K == REAL_VALUES ? first : first + int(x) - 1),
          times(K == REAL_VALUES ? REAL(x) : REAL(1)) {}
};
