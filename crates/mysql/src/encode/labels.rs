//! Labels of a SET. The server keeps a bit for each: it puts them into the column's order and each but once, without a word.

use super::Refusal;

/// Whether the server gives back these labels as they are.
pub(super) fn in_order(labels: &[String], text: &str) -> Result<(), Refusal> {
    let parts = || text.split(',').filter(|_| !text.is_empty());
    if !parts().all(|part| labels.iter().any(|l| l == part)) {
        return Err(Refusal("the SET has no such label".into()));
    }
    let kept: Vec<&str> =
        labels.iter().map(String::as_str).filter(|l| parts().any(|part| part == *l)).collect();
    if parts().eq(kept.iter().copied()) {
        return Ok(());
    }
    Err(Refusal(format!(
        "the SET would keep its labels in the column's order, each once ('{}')",
        kept.join(",")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_would_come_back_in_another_order_or_once_are_refused() {
        let labels = ["blue", "red", "x"].map(str::to_owned);
        for good in ["", "blue", "blue,red", "blue,x", "red,x"] {
            assert_eq!(in_order(&labels, good), Ok(()), "{good}");
        }
        for bad in ["red,blue", "blue,blue", "Blue", "blue,", "green"] {
            assert!(in_order(&labels, bad).is_err(), "{bad}");
        }
        let Err(Refusal(reason)) = in_order(&labels, "x,red,x") else { panic!("it is taken") };
        assert!(reason.contains("'red,x'"), "{reason}");
    }
}
