// Matrix product, assembled from parts: c[m, n] = store(a[m, k] · b[k, n]), all row by row.
//   enable_*.wgsl        extensions of WGSL, where a part needs them: before all else
//   lib/four_*.wgsl      how four floats lie in storage
//   operand_*.wgsl       what operands are rounded to
//   a_*.wgsl, b_*.wgsl   load a 4×4 block of an operand; past the end of k, a is zero and b finite
//   core_*.wgsl          multiplies; has the entry point
//   params*.wgsl         sizes, and what a store needs beside them
//   whole.wgsl           which part of the product a tile is of: the whole, here
//   out_*.wgsl           writes (and reads beside) a row of four values of the result
//   store_*.wgsl         what happens to a block of the result before it is written
// A block is a mat4x4 whose element [r] is row r: four consecutive columns.
// TRANSPOSE_A: a is stored as [k, m]. TRANSPOSE_B: b is stored as [n, k].
// Hazard: the sum over k runs in one order per core, so its rounding grows with k, at most k·eps.

override TRANSPOSE_A: u32 = 0u;
override TRANSPOSE_B: u32 = 0u;

const ZERO: mat4x4<f32> = mat4x4<f32>();

// The place of a row that is not stored.
const NOWHERE: u32 = 0xffffffffu;

fn rounded(operands: vec4<f32>) -> vec4<f32> { return values(kept(operands)); }
