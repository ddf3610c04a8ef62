//! Writes that become visible together, and walking over what is there.

use arraylog::{ArraySpec, Attrs, Durability, Store};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::memory()?;
    let part = store.partition("series", "hourly")?;

    let mut batch = store.batch()?;
    batch.set_durability(Durability::Synced); // on the device when the commit returns
    let hourly = batch.partition("series", "hourly")?;
    for station in 0..100u32 {
        let level = [f64::from(station); 24];
        let arrays = [("level", ArraySpec::from_slice(&level).dims(&["hour"]))];
        hourly.write(format!("station-{station}"), &arrays, &Attrs::new())?;
    }
    batch.partition("series", "log")?.put("source", "example")?;
    assert!(part.is_empty()?); // nothing is seen before the commit
    batch.commit()?;
    assert_eq!(part.len()?, 100);

    // A batch that is dropped leaves nothing.
    let batch = store.batch()?;
    batch.partition("series", "hourly")?.remove("station-0")?;
    drop(batch);
    assert!(part.contains("station-0")?);

    // In the order of the latest write of each key, as of this call.
    let mut sum = 0.0;
    for entry in part.entries()? {
        let level = entry?.array("level")?;
        sum += level.read()?.view().as_slice::<f64>()?.iter().sum::<f64>();
    }
    assert_eq!(sum, 24.0 * (0..100).map(f64::from).sum::<f64>());
    Ok(())
}
