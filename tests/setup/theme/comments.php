<?php # SPDX-License-Identifier: Apache-2.0 ?>
<section id="comments">
<?php
wp_list_comments();
comment_form();
?>
</section>
