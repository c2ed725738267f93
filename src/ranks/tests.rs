use super::*;

#[test]
fn rows_are_added_as_a_tree() {
    let leaf = |i: usize| (0..3).map(move |j| 0.1f32 * (i + 1) as f32 + 1e4 * j as f32);
    fn tree(rows: &[Vec<f32>]) -> Vec<f32> {
        match rows {
            [alone] => alone.clone(),
            rows => {
                let (left, right) = rows.split_at(rows.len().next_power_of_two() / 2);
                let (left, right) = (tree(left), tree(right));
                left.iter().zip(&right).map(|(a, b)| a + b).collect()
            }
        }
    }
    for count in 1..=9 {
        let rows: Vec<Vec<f32>> = (0..count).map(|i| leaf(i).collect()).collect();
        let mut all = rows.concat();
        add_as_a_tree(&mut all, 3);
        assert_eq!(all[..3], tree(&rows), "{count}");
    }
}

#[test]
fn shards_are_parted_evenly_or_not_at_all() {
    struct Count(usize);
    impl Messages for Count {
        fn rank(&self) -> usize {
            self.0 - 1
        }
        fn count(&self) -> usize {
            self.0
        }
        fn all_to_all(&self, _: &[u8], _: &mut [u8]) -> Result<()> {
            unreachable!("nothing is sent")
        }
        fn all_gather(&self, _: &[u8], _: &mut [u8]) -> Result<()> {
            unreachable!("nothing is sent")
        }
        fn broadcast(&self, _: &mut [u8]) -> Result<()> {
            unreachable!("nothing is sent")
        }
        fn abort(&self, _: u8) -> ! {
            unreachable!("nothing is sent")
        }
        fn finish(&self) -> Result<()> {
            Ok(())
        }
    }
    let four = Ranks::new(Count(4));
    assert_eq!(four.own(8), 6..8);
    four.check_shards(4).expect("one each");
    let error = four.check_shards(2).expect_err("none for two of them");
    assert!(error.to_string().contains("try: `shards = 4`"), "{error}");
    let error = Ranks::new(Count(3)).check_shards(4).expect_err("three");
    assert!(
        error.to_string().contains("try: 2 or 4 processes"),
        "{error}"
    );
    Ranks::alone().check_shards(1).expect("alone");
}
