<?php # SPDX-License-Identifier: Apache-2.0 ?>
<!DOCTYPE html>
<html <?php language_attributes(); ?>>
<head>
<meta charset="<?php bloginfo('charset'); ?>">
<?php wp_head(); ?>
</head>
<body <?php body_class(); ?>>
<h1><?php bloginfo('name'); ?></h1>
<p id="found">found <?php echo (int) $GLOBALS['wp_query']->found_posts; ?></p>
<?php while (have_posts()) : the_post(); ?>
<article>
<h2><a href="<?php the_permalink(); ?>"><?php the_title(); ?></a></h2>
<p><?php the_author(); ?> <?php the_category(', '); ?> <?php the_tags(); ?></p>
<?php the_content(); ?>
</article>
<?php
if (is_singular()) {
    comments_template();
}
endwhile;
the_posts_pagination();
the_widget('WP_Widget_Recent_Posts');
the_widget('WP_Widget_Recent_Comments');
the_widget('WP_Widget_Archives');
the_widget('WP_Widget_Categories');
wp_footer();
?>
</body>
</html>
