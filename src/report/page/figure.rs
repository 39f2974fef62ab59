use serde::Serialize;

use super::error::PageError;
use crate::picture::Picture;
use crate::theme::Theme;

/// A picture with its words.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub svg: String,
    pub title: String,
    pub words: String,
}

/// A picture as the page holds it.
pub(super) fn figure(picture: &Picture) -> Result<Figure, PageError> {
    Ok(Figure {
        svg: picture.svg(Theme::Light)?,
        title: picture.title.clone(),
        words: picture.description.clone(),
    })
}
