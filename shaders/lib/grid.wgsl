// Numbering of invocations when a dispatch is spread over two dimensions, as
// `kernel::linear_dispatch` does beyond 65,535 workgroups.

const GROUP: u32 = 64u;

fn linear_workgroup(workgroup: vec3<u32>, count: vec3<u32>) -> u32 {
    return workgroup.x + workgroup.y * count.x;
}

fn linear_invocation(workgroup: vec3<u32>, count: vec3<u32>, lane: u32) -> u32 {
    return linear_workgroup(workgroup, count) * GROUP + lane;
}
