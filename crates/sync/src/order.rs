use tidelock_model::Table;

/// An order of tables in which a table comes after all it refers to by foreign key, so that rows may be inserted in it and deleted in
/// reverse. Tables that refer to each other in a circle come in the order given. Returns places in `tables`.
pub fn by_foreign_keys(tables: &[&Table]) -> Vec<usize> {
    fn visit(at: usize, tables: &[&Table], state: &mut [u8], order: &mut Vec<usize>) {
        if state[at] != 0 {
            return;
        }
        state[at] = 1;
        for key in &tables[at].foreign_keys {
            if let Some(parent) = tables.iter().position(|t| t.name == key.references) {
                visit(parent, tables, state, order);
            }
        }
        state[at] = 2;
        order.push(at);
    }
    let mut state = vec![0; tables.len()];
    let mut order = Vec::with_capacity(tables.len());
    for at in 0..tables.len() {
        visit(at, tables, &mut state, &mut order);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelock_model::{ForeignKey, ReferentialAction, TableName};

    fn table(name: &str, parents: &[&str]) -> Table {
        let key = |parent: &&str| ForeignKey {
            name: String::new(),
            columns: vec![],
            references: TableName::new(*parent),
            referenced_columns: vec![],
            on_delete: ReferentialAction::NoAction,
            on_update: ReferentialAction::NoAction,
        };
        Table {
            name: TableName::new(name),
            columns: vec![],
            key: vec![],
            primary: true,
            indexes: vec![],
            foreign_keys: parents.iter().map(key).collect(),
        }
    }

    #[test]
    fn parents_come_first_and_circles_do_not_hang() {
        let tables = [
            table("line", &["order", "product"]),
            table("order", &["customer"]),
            table("customer", &["customer"]),
            table("product", &[]),
            table("a", &["b"]),
            table("b", &["a"]),
        ];
        let refs: Vec<_> = tables.iter().collect();
        let order = by_foreign_keys(&refs);
        let place = |n: usize| order.iter().position(|x| *x == n).unwrap();
        assert!(place(2) < place(1) && place(1) < place(0) && place(3) < place(0));
        assert_eq!(order.len(), 6);
    }
}
