//! The one place of `unsafe`: a safe face for the gemm crate's pointers.
//!
//! `faer` has a safe face of its own for the same kernels; it more than doubles the time of a clean
//! build and brings a linear-algebra library of which one function would be used.

#![allow(
    unsafe_code,
    reason = "the gemm crate takes pointers; the function below checks every bound first"
)]

use gemm_common::Parallelism;

/// How a matrix operand lies in its slice: element (row, column) at `row·row_stride + column·column_stride`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Distance of two rows.
    pub row_stride: usize,
    /// Distance of two columns.
    pub column_stride: usize,
}

impl Layout {
    /// `[rows, columns]`, row by row.
    pub const fn rows(columns: usize) -> Self {
        Self {
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// The transpose of a matrix that is stored as `[columns, rows]`.
    pub const fn transposed(rows: usize) -> Self {
        Self {
            row_stride: 1,
            column_stride: rows,
        }
    }
}

/// Products below this many multiply-adds stay on the calling thread: handing work to a second one
/// costs some ten microseconds.
const PARALLEL_FROM: usize = 1 << 20;

/// `c[m, n] = a[m, k] · b[k, n]` at f32 on all threads; `c` lies row by row.
///
/// # Panics
/// Where a slice is shorter than its matrix.
pub fn f32(
    [m, n, k]: [usize; 3],
    (a, at): (&[f32], Layout),
    (b, bt): (&[f32], Layout),
    c: &mut [f32],
) {
    if m == 0 || n == 0 {
        return;
    }
    assert_eq!(c.len(), m * n, "product");
    if k == 0 {
        c.fill(0.0);
        return;
    }
    let last = |rows: usize, columns: usize, layout: Layout| {
        (rows - 1) * layout.row_stride + (columns - 1) * layout.column_stride
    };
    assert!(last(m, k, at) < a.len(), "left operand");
    assert!(last(k, n, bt) < b.len(), "right operand");
    let parallelism = if m * n * k < PARALLEL_FROM {
        Parallelism::None
    } else {
        Parallelism::Rayon(rayon::current_num_threads())
    };
    let gemm = gemm_f32::gemm::f32::get_gemm_fn();
    // SAFETY: the assertions above keep every (row, column) of the three matrices inside its slice,
    // and `c` is borrowed exclusively, so it overlaps neither operand.
    unsafe {
        gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            at.column_stride as isize,
            at.row_stride as isize,
            b.as_ptr(),
            bt.column_stride as isize,
            bt.row_stride as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
