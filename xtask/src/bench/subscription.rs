//! PostgreSQL's own logical subscription between two servers: what a drain and a latency are held against.

use anyhow::Result;
use tidelock_testkit::Family;

use super::table::create;
use super::world::{Base, Role, World};

/// A subscriber with an empty table, whose place in the publisher's log is kept from now on.
pub struct Subscription {
    /// The database that the changes arrive in.
    pub subscriber: Base,
    name: String,
}

impl Subscription {
    /// Makes the subscription, not yet at work.
    pub async fn prepare(world: &World, publisher: &Base) -> Result<Subscription> {
        let subscriber = world.database(Family::Postgres, Role::Target).await?;
        let name = format!("{}_subscription", subscriber.name());
        publisher.run(&[format!("CREATE PUBLICATION {name} FOR TABLE orders")]).await?;
        let subscribe = format!(
            "CREATE SUBSCRIPTION {name} CONNECTION '{}' PUBLICATION {name} WITH (enabled = false, copy_data = false)",
            publisher.conninfo()
        );
        subscriber.run(&[create(Family::Postgres), &subscribe]).await?;
        Ok(Subscription { subscriber, name })
    }

    /// Lets it work.
    pub async fn enable(&self) -> Result<()> {
        self.subscriber.run(&[format!("ALTER SUBSCRIPTION {} ENABLE", self.name)]).await
    }

    /// Ends it; its slot goes with the publisher's database.
    pub async fn remove(self) -> Result<()> {
        let name = &self.name;
        let detach = format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)");
        let statements =
            [format!("ALTER SUBSCRIPTION {name} DISABLE"), detach, format!("DROP SUBSCRIPTION {name}")];
        self.subscriber.run(&statements).await?;
        self.subscriber.remove().await
    }
}
